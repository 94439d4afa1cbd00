import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Locator, type Page } from "@playwright/test";
import { VISUALS } from "../src/visuals";
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
import { wav } from "./sounds";

/** What can be chosen, shared, listened to and looked at besides the player's own buttons (playground.spec.ts). */

const AUTOENCODER = "two-scale";
/** `npm run e2e:slow` takes the long way. */
const LONG = process.env.TFDEEPVIZ_LONG !== undefined;
const CLASSIFIER = "vgg11-l8";

// The browser's own microphone beeps once a second.
test.use({
  viewport: { width: 900, height: 600 },
  ...COARSE,
  launchOptions: async ({ launchOptions }, use) =>
    use({
      ...launchOptions,
      args: [
        ...(launchOptions.args ?? []),
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
      ],
    }),
});

watchProblems();

const panel = (page: Page): Locator => page.getByRole("complementary", { name: "Settings" });
async function drop(page: Page, names: readonly string[], seconds: number): Promise<void> {
  await dropFiles(page, names, wav({ seconds, sampleRateHz: 22050, channels: 1 }));
  await expectState(page, "playing");
}

/** Which number drives each parameter. */
const order = (page: Page): Promise<string[]> => panel(page).locator(".chip").allTextContents();

test("every picture draws every mapping of an autoencoder and a classifier", async ({ page }) => {
  test.setTimeout(240_000);
  await page.setViewportSize({ width: 360, height: 360 });
  await load(page);
  await drop(page, ["song.wav"], 90);
  await page.keyboard.press("Space"); // a standing picture depends on nothing but the choice
  await openPanel(page);
  await panel(page).getByText("Model and mapping").click();
  const models = panel(page).getByRole("combobox", { name: /^Model/ });
  const mappings = panel(page).getByRole("combobox", { name: /^Mapping/ });
  for (const model of [AUTOENCODER, CLASSIFIER]) {
    await models.selectOption(model);
    await expect(root(page)).toHaveAttribute("data-model", model, SLOW);
    const n = await mappings.locator("option").count();
    expect(n).toBeGreaterThan(2);
    await page.getByRole("button", { name: "Close settings" }).click();
    for (let place = 0; place < n; place++) {
      await page.keyboard.press(String(place + 1));
      const pictures = new Set<string>();
      for (const { title } of VISUALS) {
        await expect(page.getByRole("img", { name: /^Picture/ })).toHaveAccessibleName(`Picture: ${title}`);
        // A part that neither controls nor hints lie on.
        const drawn = await page.screenshot({ clip: { x: 0, y: 60, width: 360, height: 80 } });
        pictures.add(drawn.toString("base64"));
        await page.keyboard.press("n");
      }
      expect(pictures.size).toBe(VISUALS.length);
    }
    await openPanel(page);
  }
});

test("numbers are dragged, moved by keyboard, turned upside down and held", async ({ page }) => {
  await page.setViewportSize({ width: 900, height: 900 });
  await load(page);
  await drop(page, ["song.wav"], 60);
  await page.keyboard.press("Space");
  await openPanel(page);
  const chips = panel(page).locator(".chip");
  const before = await order(page);

  await chips.first().press("ArrowDown");
  const [first, second, ...others] = before;
  await expect.poll(() => order(page)).toEqual([second, first, ...others]);
  await expect(chips.nth(1)).toBeFocused(); // the focus goes with the number
  await expect(panel(page).getByText(/^Number \d+ drives .* now\.$/)).toBeAttached();
  await page.keyboard.press("ArrowUp");
  await expect.poll(() => order(page)).toEqual(before);

  await chips.first().scrollIntoViewIfNeeded();
  const [from, to] = [(await chips.first().boundingBox())!, (await chips.nth(3).boundingBox())!];
  await page.mouse.move(from.x + 5, from.y + 5);
  await page.mouse.down();
  await page.mouse.move(to.x + 5, to.y + 8, { steps: 5 });
  await page.mouse.up();
  await expect.poll(() => order(page)).toEqual([...before.slice(1, 4), first, ...before.slice(4)]);
  await panel(page).getByRole("button", { name: "As it suits the picture" }).click();
  await expect.poll(() => order(page)).toEqual(before);

  const meter = panel(page).locator(".meters [role=meter]").first();
  await page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
  const value = Number(await meter.getAttribute("aria-valuenow"));
  await panel(page)
    .getByRole("button", { name: /upside down$/ })
    .first()
    .click();
  await expect
    .poll(async () => Math.abs(Number(await meter.getAttribute("aria-valuenow")) - (1 - value)))
    .toBeLessThan(0.002);
  await panel(page)
    .getByRole("button", { name: /follows the music$/ })
    .first()
    .click();
  const hold = panel(page).getByRole("slider", { name: /, held$/ });
  await hold.fill("0.9");
  await expect(hold).toHaveAttribute("aria-valuetext", "90%");
  await expect(page).toHaveURL(/wires=\d+~?%?.*=0\.9/);
});

test("a link carries the look and the track's name", async ({ page, context }) => {
  await load(page, "?visual=storm&seed=5&attack=0.9&mapping=nonsense&track=Solar+Drive");
  await expect(page.getByRole("img", { name: "Picture: Storm" })).toBeVisible();
  await expect(page.getByRole("status").filter({ hasText: "In the link: “mapping=nonsense”" })).toBeVisible();
  await page.getByRole("button", { name: "Play it" }).click();
  await expect(root(page)).toHaveAttribute("data-state", "playing", SLOW);
  await page.keyboard.press("p");
  await expect(page).toHaveURL(/visual=saturn&seed=5&attack=0\.9&track=Solar\+Drive/);

  const other = await context.newPage();
  await other.goto(page.url());
  await expect(other.getByRole("img", { name: "Picture: Saturn" })).toBeVisible();
  await expect(other.getByText("This look was made with Solar Drive.")).toBeVisible();
});

test("looks are kept, applied and deleted", async ({ page }) => {
  await load(page, "?visual=saturn&seed=3");
  await openPanel(page);
  await panel(page).getByText("Keep and share").click();
  await panel(page).getByLabel("Save this look as").fill("Rings");
  await panel(page).getByRole("button", { name: "Save", exact: true }).click();
  await panel(page).getByText("Bars").click();
  await expect(page.getByRole("img", { name: "Picture: Bars" })).toBeVisible();
  await page.reload();
  await openPanel(page);
  await panel(page).getByText("Keep and share").click();
  await panel(page).getByRole("button", { name: "Rings", exact: true }).click();
  await expect(page.getByRole("img", { name: "Picture: Saturn" })).toBeVisible();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    panel(page).getByRole("button", { name: "Export" }).click(),
  ]);
  expect(download.suggestedFilename()).toBe("tfdeepviz-presets.json");
  await panel(page).getByRole("button", { name: "Delete “Rings”" }).click();
  await panel(page)
    .getByLabel("File with presets")
    .setInputFiles(await download.path());
  await expect(panel(page).getByText("1 look is added.")).toBeVisible();
});

test("several files make a playlist, which goes on by itself", async ({ page }) => {
  await load(page);
  await drop(page, ["1 one.wav", "2 two.wav", "3 three.wav", "notes.txt"], 4);
  await expect(
    page.getByRole("status").filter({ hasText: "Added 3 tracks. Skipped notes.txt" }),
  ).toBeVisible();
  await expect(page).toHaveTitle(/^1 one · /);
  await expect(page).toHaveTitle(/^2 two · /, SLOW);
  await page.keyboard.press("Shift+ArrowRight");
  await expect(page).toHaveTitle(/^3 three · /, SLOW);
  await expect(page.getByRole("button", { name: "Next track" })).toBeDisabled();
  await clickControl(page.getByRole("button", { name: "Previous track" }));
  await expect(page).toHaveTitle(/^2 two · /, SLOW);
  await clickControl(page.getByRole("button", { name: "Music" }));
  const dialog = page.getByRole("dialog", { name: "Music" });
  await expect(dialog.getByRole("listitem")).toHaveCount(3);
  await dialog.getByText("1 one").click();
  await expect(page).toHaveTitle(/^1 one · /, SLOW);
});

test("bad files of a folder are named and skipped, and stop the playlist only a few in a row", async ({
  page,
}) => {
  await load(page);
  const song = wav({ seconds: 30, sampleRateHz: 22050, channels: 1 });
  const add = async (...files: [name: string, buffer: Buffer][]) =>
    page
      .getByLabel("Audio files", { exact: true })
      .setInputFiles(files.map(([name, buffer]) => ({ name, mimeType: "", buffer })));
  const noise = Buffer.from("no sound at all");
  await add(["00 bad.mp3", noise], ["01 good.wav", song], ["02 good.wav", song]);
  await expect(page).toHaveTitle(/^01 good · /, SLOW);
  await expect(root(page)).toHaveAttribute("data-state", "playing", SLOW);
  await expect(page.getByRole("status").filter({ hasText: "Added 3 tracks." })).toBeVisible();
  await expect(page.getByRole("alert").filter({ hasText: "“00 bad”" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Next track" })).toBeEnabled();

  await add(["a.mp3", noise], ["b.mp3", noise], ["c.mp3", noise], ["d.wav", song]);
  const told = page.getByRole("alert").filter({ hasText: "Also not played: “a” and “b”." });
  await expect(told).toBeVisible(SLOW);
  await expect(page).toHaveTitle(/^01 good · /);
  await expect(root(page)).toHaveAttribute("data-state", "playing");
  await told.getByRole("button", { name: "Next track" }).click();
  await expect(page).toHaveTitle(/^d · /, SLOW);
});

test("the microphone moves the picture, and the track waits", async ({ page }) => {
  await load(page);
  await clickControl(page.getByRole("button", { name: "Playlist, microphone and more" }));
  await page.getByRole("tab", { name: "Live sound" }).click();
  await page.getByRole("button", { name: "Microphone", exact: true }).click();
  const live = page.getByRole("region", { name: "Live sound" });
  await expect(live).toContainText("1 s behind", SLOW);
  await openPanel(page);
  const meters = () =>
    panel(page)
      .locator(".meters [role=meter]")
      .evaluateAll((all) => all.map((meter) => meter.getAttribute("aria-valuenow")));
  await page.waitForTimeout(2500);
  const values = await meters();
  await expect.poll(meters, SLOW).not.toEqual(values);
  await live.getByRole("button", { name: "Stop listening" }).click();
  await expect(root(page)).toHaveAttribute("data-state", "welcome");
});

test("keys show the keys, lock the page and choose mappings", async ({ page }) => {
  await load(page);
  await drop(page, ["song.wav"], 60);
  await page.keyboard.press("?");
  const keys = page.getByRole("dialog", { name: "Keys" });
  await expect(keys).toContainText("the next or the previous picture");
  await page.keyboard.press("Escape");
  await expect(keys).toBeHidden();
  await page.keyboard.press("2");
  await expect(page.locator(".hint")).not.toBeEmpty();
  await expect(page).toHaveURL(/mapping=/);

  await page.keyboard.press("l");
  await expect(page.locator(".page")).toHaveAttribute("data-controls", "hidden");
  await page.keyboard.press("Space");
  await page.mouse.click(300, 300);
  await page.waitForTimeout(400);
  await expect(root(page)).toHaveAttribute("data-state", "playing");
  // What is dropped would take the browser away from the page.
  const refused = await page.evaluate(() => {
    const [file, link] = [new DataTransfer(), new DataTransfer()];
    file.items.add(new File(["x"], "song.wav"));
    link.setData("text/uri-list", "https://example.org/");
    return [file, link].flatMap((dataTransfer) =>
      ["dragover", "drop"].map((type) => {
        const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
        document.elementFromPoint(300, 300)?.dispatchEvent(event);
        return event.defaultPrevented;
      }),
    );
  });
  expect(refused).toEqual([true, true, true, true]);
  // A link, however it is pressed.
  const followed = await page.evaluate(() => {
    const link = document.querySelector(".page")!.appendChild(document.createElement("a"));
    link.href = "#followed";
    const presses = [
      new MouseEvent("click", { bubbles: true, cancelable: true }),
      new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey: true }),
      new MouseEvent("auxclick", { bubbles: true, cancelable: true, button: 1 }),
    ];
    const counted = presses.map((press) => link.dispatchEvent(press));
    link.remove();
    return counted;
  });
  expect(followed).toEqual([false, false, false]);
  await expect(page).toHaveTitle(/^song · /);
  const unlock = page.getByRole("button", { name: "Hold to unlock" });
  await unlock.evaluate((button) => {
    for (const type of ["pointerdown", "pointerup"]) button.dispatchEvent(new PointerEvent(type)); // by mistake
  });
  await expect(unlock).toBeVisible();
  const box = (await unlock.boundingBox())!;
  await page.mouse.move(box.x + 20, box.y + 10);
  await page.mouse.down();
  await expect(unlock).toBeHidden();
  await page.mouse.up();
  await page.keyboard.press("Space");
  await expect(root(page)).toHaveAttribute("data-state", "paused");
});

test("keys work after a click on a slider, and on a keyboard of another script", async ({ page }) => {
  await load(page);
  await drop(page, ["song.wav"], 60);
  const volume = page.getByRole("slider", { name: "Volume" });
  await clickControl(volume);
  await expect(volume).toBeFocused();
  const [value, position] = [
    await volume.inputValue(),
    page.getByRole("slider", { name: "Position in the track" }),
  ];
  await page.keyboard.press("Space");
  await expectState(page, "paused");
  const at = await position.inputValue();
  await page.keyboard.press("ArrowLeft"); // the slider's own
  await expect(volume).not.toHaveValue(value);
  await expect(position).toHaveValue(at);
  await page.keyboard.press("n");
  await expect(page.getByRole("img", { name: "Picture: Stones in space" })).toBeVisible();
  await page.keyboard.press("m");
  await expect(page.getByRole("button", { name: "Mute" })).toHaveAttribute("aria-pressed", "true");
  await openPanel(page);
  await panel(page).getByRole("checkbox").first().focus();
  await page.keyboard.press("n");
  await expect(page.getByRole("img", { name: "Picture: Crystals" })).toBeVisible();

  const type = (key: string, code: string) =>
    page.evaluate(
      (options) =>
        (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent("keydown", options)),
      { key, code, bubbles: true, cancelable: true },
    );
  await type("т", "KeyN");
  await expect(page.getByRole("img", { name: "Picture: Point clouds" })).toBeVisible();
  for (const controls of ["hidden", "shown"]) {
    await type("д", "KeyL");
    await expect(page.locator(".page")).toHaveAttribute("data-controls", controls);
  }
});

test("a picture is saved, and what is heard is kept", async ({ page }) => {
  await load(page);
  await drop(page, ["song.wav"], 20);
  await clickControl(page.getByRole("button", { name: "Save picture or video" }));
  const dialog = page.getByRole("dialog", { name: "Save picture or video" });
  await dialog.getByRole("button", { name: /Save picture/ }).click();
  await expect(dialog.getByText(/The picture is ready: song \(Bars\)\.png/)).toBeVisible(SLOW);
  await page.keyboard.press("Escape");
  await openPanel(page);
  await panel(page).getByText("Keep and share").click();
  await expect(panel(page).getByText(/so that a track is ready at once/)).toContainText(/0\.[1-9] MB/);
});

test("a classifier says what it takes the music for", async ({ page }) => {
  await load(page, `?model=${CLASSIFIER}`);
  await expect(root(page)).toHaveAttribute("data-model", CLASSIFIER, SLOW);
  await drop(page, ["song.wav"], 30);
  await openPanel(page);
  await expect(panel(page).getByRole("list", { name: "What the model takes this for" })).toBeVisible(SLOW);
});

test("a tagger says in words what it takes the music for, on a small screen", async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 640 });
  await load(page);
  await drop(page, ["song.wav"], 30);
  await openPanel(page);
  const words = panel(page).getByRole("list", { name: "What the model takes this for" });
  const lines = [/^Genre \S/, /^Mood \S/, /^Instruments \S/, /^Voice \S/];
  await expect(words.getByRole("listitem")).toHaveText(lines, SLOW);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  const axe = new AxeBuilder({ page }).include('[aria-label="What the model takes this for"]');
  expect((await axe.analyze()).violations).toEqual([]);
});

test("dialogs and menus are accessible on a small screen", async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 640 });
  await load(page);
  await drop(page, ["a.wav", "b.wav"], 60);
  await page.keyboard.press("Space");
  const check = async () => {
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual(
      [],
    );
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  };
  await clickControl(page.locator(".visual-button"));
  await expect(page.getByRole("dialog", { name: "Pictures" })).toBeVisible();
  await check();
  await page.keyboard.press("Escape");
  for (const name of ["Music", "Save picture or video", "About this page"]) {
    await clickControl(page.getByRole("button", { name }));
    await check();
    await page.keyboard.press("Escape");
  }
  await openPanel(page);
  for (const summary of ["Timing", "Model and mapping", "Keep and share"]) {
    await panel(page).getByText(summary, { exact: true }).click();
  }
  await check();
});

test(
  "changing pictures and models leaves nothing behind",
  { tag: LONG ? "@slow" : "@quick" },
  async ({ page }) => {
    test.setTimeout(900_000);
    const [nVisuals, nModels] = LONG ? [200, 50] : [16, 4];
    await page.setViewportSize({ width: 320, height: 320 });
    // What is created on the graphics card and not yet deleted.
    await page.addInitScript(() => {
      const alive = new Map<string, number>();
      const count = (kind: string, by: number) => alive.set(kind, (alive.get(kind) ?? 0) + by);
      const gl = WebGL2RenderingContext.prototype as unknown as Record<
        string,
        (...all: unknown[]) => unknown
      >;
      for (const kind of ["Texture", "Buffer", "Framebuffer", "Renderbuffer", "Program", "VertexArray"]) {
        const [create, remove] = [gl[`create${kind}`]!, gl[`delete${kind}`]!];
        gl[`create${kind}`] = function (...all) {
          count(kind, 1);
          return create.apply(this, all);
        };
        gl[`delete${kind}`] = function (...all) {
          if (all[0]) count(kind, -1);
          return remove.apply(this, all);
        };
      }
      Object.assign(window, { alive: () => Object.fromEntries(alive) });
    });
    await load(page);
    await drop(page, ["song.wav"], 20);
    await page.keyboard.press("Space");
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable");
    const measure = async () => {
      await session.send("HeapProfiler.collectGarbage");
      const { metrics } = await session.send("Performance.getMetrics");
      const metric = (name: string) => metrics.find((one) => one.name === name)?.value ?? NaN;
      const alive = await page.evaluate(() => (window as unknown as { alive: () => object }).alive());
      return { heap: metric("JSHeapUsedSize"), listeners: metric("JSEventListeners"), alive };
    };
    const model = async (name: string) => {
      await panel(page)
        .getByRole("combobox", { name: /^Model/ })
        .selectOption(name);
      await expect(root(page)).toHaveAttribute("data-model", name, SLOW);
    };
    const walk = async (visuals: number, models: number) => {
      for (let i = 0; i < visuals; i++) {
        await page.keyboard.press("n");
        await page.evaluate(() => new Promise(requestAnimationFrame));
      }
      await openPanel(page);
      for (let i = 0; i < models; i++) await model(i % 2 === 0 ? "ae-time" : AUTOENCODER);
      await page.getByRole("button", { name: "Close settings" }).click();
    };
    await openPanel(page);
    await panel(page).getByText("Model and mapping").click();
    await page.getByRole("button", { name: "Close settings" }).click();
    await walk(VISUALS.length, 2); // everything has been there once
    const before = await measure();
    await walk(nVisuals, nModels);
    const after = await measure();
    expect(after.alive).toEqual(before.alive);
    expect(after.listeners).toBeLessThanOrEqual(before.listeners + 4);
    // Code that the engine compiles on the way counts, too; fifty models that stay would be ten times as much.
    expect(after.heap).toBeLessThan(before.heap * 1.1 + 2.5e6);
    expect(page.workers().length).toBeLessThanOrEqual(2);
  },
);
