import { readFile } from "node:fs/promises";
import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Locator, type Page } from "@playwright/test";
import {
  COARSE,
  clickControl,
  dropFiles,
  expectState,
  load,
  openPanel,
  root,
  SLOW,
  watchProblems,
} from "./pages";
import { silentMp3 } from "../src/testing/silent-mp3";
import { floatWav, silence, wav, type WavOptions } from "./sounds";

// Software draws the picture where tests run: a small one leaves the processor to what is tested.
test.use({ viewport: { width: 800, height: 520 }, ...COARSE });

const problems = watchProblems();

const drop = (page: Page, name: string, content: Buffer): Promise<void> => dropFiles(page, [name], content);

async function play(page: Page, options: WavOptions, name = "test_song.wav"): Promise<void> {
  await drop(page, name, wav(options));
  // A machine with much else to do may look at the page when a short one has been heard already.
  await expect(root(page)).toHaveAttribute("data-state", /playing|paused/, SLOW);
}

const seekBar = (page: Page): Locator => page.getByRole("slider", { name: "Position in the track" });

async function position(page: Page): Promise<number> {
  return Number(await seekBar(page).inputValue());
}

async function meters(page: Page): Promise<number[]> {
  const values = await page
    .locator(".meters [role=meter]")
    .evaluateAll((elements) => elements.map((element) => Number(element.getAttribute("aria-valuenow"))));
  expect(values).toHaveLength(10);
  return values;
}

/** A part of the picture that nothing floats above, not even the open panel. */
function picture(page: Page): Promise<Buffer> {
  return page.screenshot({ clip: { x: 20, y: 100, width: 360, height: 250 } });
}

/** The picture once it has come to rest: two looks at it are the same. */
async function still(page: Page): Promise<Buffer> {
  let last = await picture(page);
  await expect(async () => {
    const before = last;
    await page.waitForTimeout(500);
    last = await picture(page);
    expect(last.equals(before)).toBe(true);
  }).toPass(SLOW);
  return last;
}

/** Long enough for the slowest machine, and small. */
const LONG: WavOptions = { seconds: 90, sampleRateHz: 22050, channels: 1 };

test.describe("the first visit", () => {
  test("shows the note, starts the demo track and keeps the answer", async ({ page }) => {
    await load(page, "", { noteAccepted: false });
    await expectState(page, "welcome");
    await page.locator(".demo").first().click();
    const note = page.getByRole("dialog", { name: "Before it starts to move" });
    await expect(note).toBeVisible(SLOW);
    await expect(note.getByRole("button", { name: "Start the music" })).toBeFocused();
    await note.getByRole("button", { name: "Start the music" }).click();
    await expectState(page, "playing");
    await page.reload();
    await expect(root(page)).toHaveAttribute("data-backend", /wasm|cpu/, SLOW);
    await page.locator(".demo").first().click();
    await expectState(page, "playing");
  });

  test("takes no for an answer", async ({ page }) => {
    await load(page, "", { noteAccepted: false });
    await drop(page, "song.wav", wav({ seconds: 4 }));
    const note = page.getByRole("dialog", { name: "Before it starts to move" });
    await expect(note).toBeVisible(SLOW);
    await page.keyboard.press("Escape");
    await expect(note).toBeHidden();
    await expectState(page, "ready");
    expect(await position(page)).toBe(0);
  });
});

test.describe("playing", () => {
  test("the picture moves with the music and stands still in a pause", async ({ page }) => {
    await load(page);
    await play(page, LONG);
    await expect(page).toHaveTitle(/^test song · /);
    const [first, before] = [await picture(page), await position(page)];
    await expect.poll(() => position(page), SLOW).toBeGreaterThan(before + 1);
    expect((await picture(page)).equals(first)).toBe(false);

    await clickControl(page.getByRole("button", { name: "Pause" }));
    await expectState(page, "paused");
    const [still, stopped, values] = [await picture(page), await position(page), await meters(page)];
    await page.waitForTimeout(700);
    expect(await position(page)).toBe(stopped);
    expect(await meters(page)).toEqual(values);
    expect((await picture(page)).equals(still)).toBe(true);
  });

  test("the same seed draws the same picture", async ({ page }) => {
    const shots: Buffer[] = [];
    for (const seed of [7, 7, 8]) {
      await load(page, `?visual=waves&seed=${seed}`);
      await play(page, { seconds: 6 });
      await clickControl(page.getByRole("button", { name: "Stop" }));
      await expectState(page, "paused");
      shots.push(await still(page));
    }
    expect(shots[1]!.equals(shots[0]!)).toBe(true);
    expect(shots[2]!.equals(shots[0]!)).toBe(false);
  });

  test("keys play, seek, change the volume and fill the screen", async ({ page }) => {
    await load(page);
    await play(page, LONG);
    await page.keyboard.press("Space");
    await expectState(page, "paused");
    const start = await position(page);
    await page.keyboard.press("ArrowRight");
    await expect.poll(() => position(page)).toBeCloseTo(start + 5, 0);
    await page.keyboard.press("ArrowLeft");
    await expect.poll(() => position(page)).toBeCloseTo(start, 0);

    const volume = page.getByRole("slider", { name: "Volume" });
    await page.keyboard.press("ArrowDown");
    await expect(volume).toHaveJSProperty("value", "0.75");
    await page.keyboard.press("ArrowUp");
    await expect(volume).toHaveJSProperty("value", "0.8");
    await page.keyboard.press("m");
    await expect(page.getByRole("button", { name: "Mute" })).toHaveAttribute("aria-pressed", "true");

    await page.keyboard.press("f");
    await expect(page.getByRole("button", { name: "Leave full screen" })).toBeVisible();
    await page.keyboard.press("f");
    await expect(page.getByRole("button", { name: "Full screen", exact: true })).toBeVisible();
  });

  test("the seek slider works by keyboard and says where it stands", async ({ page }) => {
    await load(page);
    await play(page, LONG);
    await page.keyboard.press("Space");
    const slider = seekBar(page);
    await slider.focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    await expect(slider).toHaveAttribute("aria-valuetext", /^5 seconds of 1 minute 30 seconds/);
    await page.keyboard.press("End");
    await expect(slider).toHaveAttribute("aria-valuetext", /^1 minute 30 seconds of 1 minute 30 seconds/);
    await page.keyboard.press("Space"); // from the end it begins anew
    await expectState(page, "playing");
    expect(await position(page)).toBeLessThan(5);
  });

  test("a click on the picture pauses, a double click only fills the screen", async ({ page }) => {
    await load(page);
    await play(page, LONG);
    const spot = { position: { x: 200, y: 200 } };
    await page.locator("#stage").dblclick(spot);
    await expect.poll(() => page.evaluate(() => document.fullscreenElement !== null)).toBe(true);
    await expectState(page, "playing");
    await page.evaluate(() => document.exitFullscreen());
    await page.locator("#stage").click(spot);
    await expectState(page, "paused");
  });

  test("controls fade without movement, but not under a keyboard", async ({ page }) => {
    await load(page);
    await play(page, LONG);
    const frame = page.locator(".page");
    await page.mouse.move(300, 300);
    await expect(frame).toHaveAttribute("data-controls", "hidden", SLOW);
    await page.mouse.move(310, 310);
    await expect(frame).toHaveAttribute("data-controls", "shown");
    await page.keyboard.press("Tab");
    await page.waitForTimeout(3500);
    await expect(frame).toHaveAttribute("data-controls", "shown");
  });

  test("plays to the end and from there again", async ({ page }) => {
    await load(page);
    await page.evaluate(() => {
      const states: (string | undefined)[] = [];
      const { dataset } = document.documentElement;
      new MutationObserver(() => states.push(dataset.state)).observe(document.documentElement, {
        attributeFilter: ["data-state"],
      });
      Object.assign(window, { states });
    });
    const timesPlayed = () =>
      page.evaluate(
        () =>
          (window as unknown as { states: string[] }).states.filter((state) => state === "playing").length,
      );
    await play(page, { seconds: 2.5 });
    await expectState(page, "paused");
    await expect.poll(() => position(page)).toBeCloseTo(2.5, 1);
    const before = await timesPlayed();
    await page.getByRole("button", { name: "Play", exact: true }).click();
    await expect.poll(timesPlayed).toBeGreaterThan(before);
  });

  test("silence leaves the meters at rest", async ({ page }) => {
    await load(page);
    await play(page, { ...LONG, wave: silence });
    await page.waitForTimeout(1500);
    const values = await meters(page);
    await page.waitForTimeout(1500);
    expect(await meters(page)).toEqual(values);
    await expectState(page, "playing");
  });
});

test.describe("choosing", () => {
  test("everything acts at once and the music goes on", async ({ page }) => {
    await load(page);
    await play(page, LONG);
    await openPanel(page);
    const panel = page.getByRole("complementary", { name: "Settings" });
    await expect(panel.locator(".meters").getByRole("meter")).toHaveCount(10);

    const before = await picture(page);
    const pictures = panel.getByRole("group", { name: "Picture" });
    await pictures.getByText("Psychedelic waves").click();
    await expect(pictures.getByRole("radio", { name: "Psychedelic waves" })).toBeChecked();
    await expect.poll(async () => (await picture(page)).equals(before)).toBe(false);

    const smoothing = panel.getByRole("slider", { name: /^Smoothing/ });
    await smoothing.first().fill("0.9");
    await panel.getByText("Timing").click();
    const apart = panel.getByRole("checkbox", { name: /^Rise and fall apart/ });
    await apart.check();
    await panel.getByLabel("Smoothing while rising").fill("0.1");
    await expect(panel.getByLabel("Smoothing while falling")).toHaveValue(/^0\.[1-9]/);
    await apart.uncheck();
    await expect(smoothing).toHaveCount(1);
    await panel.getByRole("checkbox", { name: /^Glide between moments/ }).uncheck();
    const lookAhead = panel.getByRole("slider", { name: "Look-ahead" });
    await lookAhead.focus();
    await page.keyboard.press("Home");
    await expect(lookAhead).toHaveAttribute("aria-valuetext", "500 ms behind");
    await lookAhead.fill("100");
    await expect(lookAhead).toHaveAttribute("aria-valuetext", "100 ms ahead");

    await panel.getByText("Model and mapping").click();
    const mapping = panel.getByRole("combobox", { name: /^Mapping/ });
    for (const option of (await mapping.count()) > 0 ? await mapping.locator("option").all() : []) {
      await mapping.selectOption(await option.getAttribute("value"));
      for (const scaling of await panel.getByRole("group", { name: "Method" }).getByRole("radio").all()) {
        await scaling.check();
        await expect(scaling).toBeChecked();
      }
    }
    await panel.getByRole("radio", { name: /^All together/ }).check();
    await panel.getByRole("radio", { name: /^Whole range/ }).check();
    await panel.locator(".chip").first().press("ArrowDown");
    await expectState(page, "playing");
    const at = await position(page);
    await expect.poll(() => position(page), SLOW).toBeGreaterThan(at + 0.5);

    await page.keyboard.press("Escape");
    await expect(panel).toBeHidden();
    await expect(page.getByRole("button", { name: "Settings", exact: true })).toBeFocused();
  });

  test("the scaling changes what the meters show", async ({ page }) => {
    await load(page);
    await play(page, LONG);
    await page.keyboard.press("Space");
    await expectState(page, "paused");
    await openPanel(page);
    await page.getByText("Model and mapping").click();
    // The model's own scaling is fitted to what is known of the track: let that be all of it, and be shown.
    await expect(page.getByText(/^(Listening ahead|Analysing)/)).toHaveCount(0, SLOW);
    let values = await meters(page);
    await expect(async () => {
      const before = values;
      await page.waitForTimeout(500);
      values = await meters(page);
      expect(values).toEqual(before);
    }).toPass(SLOW);
    await page.getByRole("radio", { name: /^Whole range/ }).check();
    await expect.poll(() => meters(page)).not.toEqual(values);
    await page.getByRole("button", { name: /own settings/ }).click();
    await expect.poll(() => meters(page)).toEqual(values);
  });
});

test.describe("files of every kind", () => {
  for (const [what, options] of [
    ["48 kHz mono", { seconds: 3, sampleRateHz: 48000, channels: 1 }],
    ["eight channels", { seconds: 3, channels: 8 }],
    ["8 kHz", { seconds: 3, sampleRateHz: 8000 }],
  ] as const) {
    test(`plays ${what}`, async ({ page }) => {
      await load(page);
      await play(page, options);
      await expect.poll(() => position(page), SLOW).toBeGreaterThan(0.2);
    });
  }

  test("says what is wrong with a bad one, and goes on", async ({ page }) => {
    await load(page);
    for (const [name, content, message] of [
      ["nothing.mp3", Buffer.alloc(0), /nothing.*empty/],
      ["letter.mp3", Buffer.from("Dear reader, this is no music."), /letter.*cannot read this file/],
      ["cut_short.mp3", Buffer.from([0xff, 0xfb, 0x90, 0x64, 0, 0, 0, 0]), /cut short.*(cannot read|empty)/],
      ["blip.wav", wav({ seconds: 0.01 }), /blip.*lasts 0\.01 s/],
    ] as const) {
      await drop(page, name, content);
      const alert = page.getByRole("alert");
      await expect(alert).toContainText(message, SLOW);
      await expectState(page, "error");
      await alert.getByRole("button", { name: "Dismiss" }).click();
      await expect(alert).toBeEmpty();
    }
    await play(page, { seconds: 4 });
  });

  test("says that a clip is too short to be music", async ({ page }) => {
    await load(page);
    await drop(page, "clip.wav", wav({ seconds: 0.05 }));
    await expect(page.getByRole("alert")).toContainText(/clip.*Choose a longer track/, SLOW);
    await expectState(page, "error");
  });

  test("plays an mp3 that breaks off, and one whose tag promises sixteen thousand hours", async ({
    page,
  }) => {
    const whole = await readFile(new URL("../../tracks/electronic.mp3", import.meta.url));
    await load(page);
    await drop(page, "half.mp3", whole.subarray(0, whole.length / 2));
    await expectState(page, "playing");
    const seconds = Number(await seekBar(page).getAttribute("max"));
    expect(seconds).toBeGreaterThan(10);
    expect(seconds).toBeLessThan(31);

    const tag = Math.max(whole.indexOf("Xing"), whole.indexOf("Info"));
    expect(tag).toBeGreaterThan(0);
    const forged = Buffer.from(whole);
    forged.writeUInt32BE(0x7fffffff, tag + 8);
    await drop(page, "forged.mp3", forged);
    await expect(page).toHaveTitle(/^forged · /, SLOW);
    await expectState(page, "playing");
    expect(Number(await seekBar(page).getAttribute("max"))).toBeLessThan(31);
  });

  test("takes no estimate for the length of a song, and unpacks none that is really too long", async ({
    page,
  }) => {
    await load(page);
    // A second of few bits in front: the browser takes the rest for ten times as long.
    const long = silentMp3([
      { seconds: 2, kbps: 32 },
      { seconds: 240, kbps: 320 },
    ]);
    await drop(page, "quiet_start.mp3", Buffer.from(long));
    await expectState(page, "playing");
    expect(Number(await seekBar(page).getAttribute("max"))).toBeCloseTo(242, 0);

    await drop(page, "night.mp3", Buffer.from(silentMp3([{ seconds: 1900, kbps: 32 }])));
    await expect(page.getByRole("alert")).toContainText(/night.*lasts 31\.7 minutes, but at most 30/, SLOW);
    await expect(page).toHaveTitle(/^quiet start · /);
  });

  test("refuses a file with a sample that is no number, as Python does", async ({ page }) => {
    await load(page);
    const file = Buffer.from(
      floatWav(Float32Array.from({ length: 44100 }, (_, i) => (i === 20000 ? NaN : 0.1))),
    );
    await drop(page, "hole.wav", file);
    await expect(page.getByRole("alert")).toContainText(/hole.*samples that are not sound/, SLOW);
    await expectState(page, "error");
  });

  test("a bad file does not stop the song that plays", async ({ page }) => {
    await load(page);
    await play(page, LONG);
    await drop(page, "letter.mp3", Buffer.from("no music"));
    await expect(page.getByRole("alert")).toContainText("letter", SLOW);
    await expectState(page, "playing");
    await expect(page).toHaveTitle(/^test song · /);
  });

  test("the latest of several drops wins", async ({ page }) => {
    await load(page);
    for (const name of ["one.wav", "two.wav", "three.wav"]) await drop(page, name, wav({ seconds: 8 }));
    await expectState(page, "playing");
    await expect(page).toHaveTitle(/^three · /);
  });
});

test.describe("what can be missing", () => {
  test("without a model the music plays", async ({ page }) => {
    await page.route("**/registry/**", (route) => route.fulfill({ status: 503, body: "" }));
    await page.addInitScript(() => localStorage.setItem("tfdeepviz.note", "yes"));
    await page.goto("./");
    await expect(page.getByRole("alert")).toContainText("the picture will not react", SLOW);
    await drop(page, "song.wav", wav({ seconds: 6 }));
    await expectState(page, "playing");
    await expect.poll(() => position(page), SLOW).toBeGreaterThan(0.3);
    expect(problems.every((problem) => problem.includes("503"))).toBe(true);
    problems.length = 0;
  });

  test("a bundle that is not what it says is refused in words", async ({ page }) => {
    await page.route("**/mappings.json", (route) => route.fulfill({ status: 200, body: "{}" }));
    await page.goto("./");
    await expect(page.getByRole("alert")).toContainText(
      /model could not be loaded because mappings\.json/,
      SLOW,
    );
    await expect(page.getByRole("alert").getByRole("button", { name: "Try again" })).toBeVisible();
  });

  test("a model whose worker dies can be chosen again, and takes the song up where it is", async ({
    page,
  }) => {
    await page.addInitScript(() => {
      const workers: Worker[] = [];
      window.Worker = class extends Worker {
        constructor(...parameters: ConstructorParameters<typeof Worker>) {
          super(...parameters);
          workers.push(this);
        }
      };
      addEventListener("kill", () =>
        workers.at(-1)?.dispatchEvent(new ErrorEvent("error", { message: "dead" })),
      );
    });
    await load(page);
    await play(page, { ...LONG, seconds: 20 });
    /** The next song finds the worker dead. */
    const kill = async (seconds: number) => {
      await expect(page.getByText(/^(Listening ahead|Analysing)/)).toHaveCount(0, SLOW); // it has nothing to do
      await page.evaluate(() => dispatchEvent(new Event("kill")));
      await drop(page, `song_of_${seconds}.wav`, wav({ ...LONG, seconds }));
      await expect(alert).toContainText(/stopped unexpectedly; the browser says “dead”\. Try again\./, SLOW);
      await expect(root(page)).not.toHaveAttribute("data-backend");
    };
    const alert = page.getByRole("alert");
    await kill(25);
    await alert.getByRole("button", { name: "Try again" }).click();
    await expect(root(page)).toHaveAttribute("data-backend", /wasm|cpu/, SLOW);
    await expectState(page, "playing");

    await kill(60);
    await page.getByRole("button", { name: "Settings", exact: true }).click();
    await page.getByText("Model and mapping").click();
    const model = page.getByRole("combobox", { name: /^Model/ });
    await expect(model).toHaveValue("");
    await model.selectOption({ index: 1 });
    await expect(root(page)).toHaveAttribute("data-backend", /wasm|cpu/, SLOW);
    await expectState(page, "playing");
    const values = await meters(page);
    await expect.poll(() => meters(page), SLOW).not.toEqual(values);
  });

  test("without WebGL 2 the meters are the picture", async ({ page }) => {
    await page.addInitScript(() => {
      HTMLCanvasElement.prototype.getContext = () => null;
    });
    await load(page);
    await expect(page.getByRole("alert")).toContainText("no WebGL 2", SLOW);
    await play(page, LONG);
    await expect(page.getByRole("meter")).toHaveCount(10);
    const values = await meters(page);
    await expect.poll(() => meters(page), SLOW).not.toEqual(values);
  });

  test("without demo tracks the welcome says nothing of them", async ({ page }) => {
    await page.route("**/tracks/index.json", (route) =>
      route.fulfill({ json: { schema_version: 1, tracks: [] } }),
    );
    await load(page);
    await expect(page.getByRole("button", { name: "Choose a song" })).toBeVisible();
    await expect(page.locator(".demos")).toHaveCount(0);
  });
});

test.describe("everybody", () => {
  for (const [width, height] of [
    [360, 640],
    [1100, 600],
  ] as const) {
    test(`is accessible and fits at ${width} x ${height}`, async ({ page }) => {
      await page.setViewportSize({ width, height });
      await load(page, "", { noteAccepted: false });
      const check = async () => {
        // What is drawn on the canvas behind the text has no colour that axe could know.
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(
          violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`),
        ).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      };
      await check();
      await drop(page, "song.wav", wav(LONG));
      await expect(page.getByRole("dialog")).toBeVisible(SLOW);
      await check();
      await page.getByRole("button", { name: "Start the music" }).click();
      await expectState(page, "playing");
      await page.keyboard.press("Space");
      await check();
      await openPanel(page);
      await page.getByText("Timing").click();
      await page.getByRole("checkbox", { name: /^Rise and fall apart/ }).check();
      await page.getByText("Model and mapping").click();
      await check();
      for (const button of await page.getByRole("button").all()) {
        const box = await button.boundingBox();
        if (box) expect(box.x + box.width).toBeLessThanOrEqual(width);
      }
    });
  }

  test("reduced motion is respected from the start", async ({ page }) => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await load(page);
    await openPanel(page);
    await expect(page.getByRole("checkbox", { name: /Calm picture/ })).toBeChecked();
    await expect(page.locator(".demo").first()).toBeVisible();
    await still(page);
  });

  test("nothing leaves the page, and dropping to moving is quick", async ({ page }) => {
    const asked: string[] = [];
    page.on("request", (request) => {
      // The browser fetches the icon whenever it likes.
      if (request.url().endsWith("/favicon.svg")) return;
      if (!request.url().startsWith("blob:") && !request.url().startsWith("data:"))
        asked.push(`${request.method()} ${request.url()}`);
    });
    await load(page);
    asked.length = 0;
    const file = wav({ seconds: 30 });
    await page.evaluate(() => {
      addEventListener("drop", () => performance.mark("dropped"), { capture: true });
      new MutationObserver(() => {
        if (document.documentElement.dataset.state === "playing") performance.mark("playing");
      }).observe(document.documentElement, { attributes: true });
    });
    await drop(page, "song.wav", file);
    await expectState(page, "playing");
    const milliseconds = await page.evaluate(
      () => performance.measure("start", "dropped", "playing").duration,
    );
    test.info().annotations.push({ type: "drop to playing", description: `${milliseconds.toFixed(0)} ms` });
    expect(asked).toEqual([]);
  });
});
