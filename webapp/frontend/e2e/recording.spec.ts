import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Locator, type Page } from "@playwright/test";
import { servePage, watchProblems } from "./pages";
import type { Order } from "./recording/harness";

/** Recordings on a page of their own (recording/index.html): made in the browser, and taken apart there again. */

// Everything is drawn and encoded by processors, of which there may be two.
test.describe.configure({ timeout: 240_000 });

const address = servePage("recording");

watchProblems();

test.beforeEach(async ({ page }) => {
  await page.goto(address());
  await page.waitForFunction(() => "recordings" in window && "dialog" in window);
});

const record = (page: Page, order: Order) => page.evaluate((order) => window.recordings.record(order), order);

const SMALL = { width: 192, height: 108, framesPerSecond: 30 } as const;

for (const [what, order] of [
  ["from the start, at 30 frames a second", { ...SMALL, fromSeconds: 0, toSeconds: 2, sampleRate: 44100 }],
  [
    "from the middle, at 60, in mono",
    { ...SMALL, framesPerSecond: 60, fromSeconds: 0.77, toSeconds: 2.77, sampleRate: 48000, channels: 1 },
  ],
  [
    "from a rate and channels that no encoder takes",
    { ...SMALL, fromSeconds: 0, toSeconds: 2, sampleRate: 22050, channels: 4 },
  ],
  ["as H.264 in MP4", { ...SMALL, fromSeconds: 1, toSeconds: 3, sampleRate: 44100, mp4: true }],
  [
    "to a file on the disk",
    { ...SMALL, fromSeconds: 0.5, toSeconds: 2.5, sampleRate: 44100, file: "a.video" },
  ],
] as const satisfies readonly (readonly [string, Order])[]) {
  test(
    `sound and picture stay together ${what}`,
    { tag: "file" in order ? "@quick" : "@slow" },
    async ({ page }) => {
      const { error, seen, progress } = await record(page, order);
      expect(error).toBeNull();
      const { framesPerSecond, fromSeconds } = order;
      const frames = seen!.frames;
      expect(frames).toHaveLength(2 * framesPerSecond);
      expect(seen!.durationSeconds).toBeCloseTo(2, 2);
      expect([seen!.width, seen!.height]).toEqual([order.width, order.height]);
      if (!("file" in order))
        expect(seen!.mimeType).toMatch("mp4" in order ? "video/mp4" : /^video\/(mp4|webm)$/);
      expect(seen!.title).toBe("Step");
      frames.forEach(([seconds], i) => expect(seconds).toBeCloseTo(i / framesPerSecond, 2));

      const step = (await page.evaluate(() => window.recordings.stepSeconds)) - fromSeconds;
      const lit = frames.find(([, luma]) => luma > 128)![0];
      const { sound } = seen!;
      expect(sound!.durationSeconds).toBeCloseTo(2, 1);
      expect(sound!.channels).toBe(Math.min(2, "channels" in order ? order.channels : 2));
      expect(Math.abs(lit - step)).toBeLessThanOrEqual(1 / framesPerSecond + 0.001);
      expect(Math.abs(sound!.startsSeconds! - step)).toBeLessThan(0.012);
      expect(Math.abs(sound!.startsSeconds! - lit)).toBeLessThanOrEqual(1 / framesPerSecond);

      const fractions = progress.map(({ fraction }) => fraction);
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
      expect(fractions.at(-1)).toBe(1);
      if ("file" in order)
        expect((await page.evaluate(() => window.recordings.files()))["a.video"]).toBe(seen!.bytes);
    },
  );
}

test(
  "a visual moves in its video, as seen through the limiter of flashes",
  { tag: "@slow" },
  async ({ page }) => {
    const { error, seen, longestTaskMs } = await record(page, {
      ...SMALL,
      id: "bar",
      fromSeconds: 1,
      toSeconds: 2,
      sampleRate: null,
    });
    expect(error).toBeNull();
    expect(seen!.sound).toBeNull();
    expect(seen!.frames).toHaveLength(30);
    const lumas = seen!.frames.map(([, luma]) => luma);
    expect(Math.min(...lumas)).toBeGreaterThan(4);
    expect(new Set(lumas.map((luma) => luma.toFixed(2))).size).toBeGreaterThan(5);
    // Shaders are compiled in one piece, the rest leaves the page time to answer.
    test.info().annotations.push({ type: "longest task", description: `${longestTaskMs.toFixed(0)} ms` });
  },
);

test(
  "a cancelled video leaves nothing behind, and an older file as it was",
  { tag: "@slow" },
  async ({ page }) => {
    await page.evaluate(() => window.recordings.write("kept.video", "older"));
    const long = { ...SMALL, fromSeconds: 0, toSeconds: 4, sampleRate: 44100, cancelAt: 0.2 };
    for (const file of ["new.video", "kept.video"]) {
      const { error, progress } = await record(page, { ...long, file });
      expect(error).toBe("AbortError");
      expect(progress.at(-1)!.fraction).toBeLessThan(0.9);
    }
    expect(await page.evaluate(() => window.recordings.files())).toEqual({ "kept.video": 5 });
    expect((await record(page, long)).error).toBe("AbortError");
  },
);

test("many recordings take no graphics contexts away from the page", { tag: "@slow" }, async ({ page }) => {
  const lost = await page.evaluate(async () => {
    const gl = document.createElement("canvas").getContext("webgl2")!;
    for (let i = 0; i < 20; i++) await window.recordings.still("bar", 64, 64);
    return gl.isContextLost();
  });
  expect(lost).toBe(false);
});

test("a still is drawn at the size asked for", async ({ page }) => {
  const still = await page.evaluate(() => window.recordings.still("bar", 1080, 608));
  expect(still).toMatchObject({ type: "image/png", width: 1080, height: 608 });
  expect(still.difference).toBeGreaterThan(1);
  expect(await page.evaluate(() => window.recordings.tooLarge())).toMatch(
    /^RecordingError: .*Choose a smaller/,
  );
});

test.describe("the dialog", () => {
  /** Without the browser's own dialog for files, which nobody here could answer. */
  const open = async (page: Page, { file }: { file?: string } = {}): Promise<Locator> => {
    await page.evaluate((file) => {
      const picker = async (): Promise<FileSystemFileHandle> =>
        (await navigator.storage.getDirectory()).getFileHandle(file ?? "", { create: true });
      Object.assign(window, { showSaveFilePicker: file === undefined ? undefined : picker });
    }, file);
    await page.getByRole("button", { name: "Open" }).click();
    return page.getByRole("dialog", { name: "Save picture or video" });
  };

  test("saves a picture by keyboard alone", async ({ page }) => {
    const dialog = await open(page);
    await dialog.getByRole("combobox", { name: "Size" }).selectOption("As on the screen, 160 × 92");
    await dialog.getByRole("button", { name: "Save picture" }).focus();
    await page.keyboard.press("Enter");
    const link = dialog.getByRole("link", { name: "Save to disk" });
    await expect(link).toBeFocused();
    await expect(dialog.getByRole("status")).toContainText("Lamp - Step (Light).png");
    const download = page.waitForEvent("download");
    await page.keyboard.press("Enter");
    expect((await download).suggestedFilename()).toBe("Lamp - Step (Light).png");
    await dialog.getByRole("button", { name: "Another one" }).click();
    await expect(dialog.getByRole("button", { name: "Save picture" })).toBeFocused();
    await page.keyboard.press("Escape");
    await expect(dialog).toBeHidden();
  });

  test(
    "records a video, tells how far it is, and says so when it is closed meanwhile",
    { tag: "@slow" },
    async ({ page }) => {
      const dialog = await open(page, { file: "chosen.video" });
      await dialog.getByRole("radio", { name: /^Video/ }).check();
      await dialog.getByRole("combobox", { name: "Size" }).selectOption("screen");
      await dialog.getByRole("spinbutton", { name: "Seconds" }).fill("2");
      await dialog.getByRole("combobox", { name: "Frames per second" }).selectOption("60");
      await expect(dialog.getByRole("status")).toContainText(
        /^2 seconds in 120 frames, (MP4|WEBM), about \d+ kB/,
      );
      await dialog.getByRole("button", { name: "Record video" }).click();
      await expect(dialog.getByRole("progressbar")).toBeVisible();
      await expect(dialog.getByRole("button", { name: "Go on meanwhile" })).toBeFocused();
      await page.keyboard.press("Enter");
      await expect(dialog).toBeHidden();
      const announced = () => page.evaluate(() => window.dialog.announced);
      await expect.poll(announced, { timeout: 30_000 }).toEqual(["info: chosen.video is ready."]);
      await page.getByRole("button", { name: "Open" }).click();
      await expect(dialog.getByRole("status")).toContainText("It lies where you wanted it");
      await expect(dialog.getByRole("link")).toHaveCount(0);
      expect((await page.evaluate(() => window.recordings.files()))["chosen.video"]).toBeGreaterThan(1000);
    },
  );

  test("cancels, and goes back to choosing", async ({ page }) => {
    const dialog = await open(page, { file: "chosen.video" });
    await dialog.getByRole("radio", { name: /^Video/ }).check();
    await dialog.getByRole("radio", { name: "The whole track" }).check();
    await dialog.getByRole("combobox", { name: "Size" }).selectOption("1080p");
    await dialog.getByRole("button", { name: "Record video" }).click();
    await expect(dialog.getByText(/\d%/)).toBeVisible({ timeout: 30_000 });
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await expect(dialog.getByRole("button", { name: "Record video" })).toBeFocused();
    await expect.poll(() => page.evaluate(() => window.recordings.files()), { timeout: 30_000 }).toEqual({});
    expect(await page.evaluate(() => window.dialog.announced)).toEqual([]);
  });

  test("says why there can be no video", async ({ page }) => {
    await page.evaluate(() => window.dialog.change({ positionSeconds: 3.9 }));
    const dialog = await open(page);
    await dialog.getByRole("radio", { name: /^Video/ }).check();
    const record = dialog.getByRole("button", { name: "Record video" });
    const says = async (words: string) => {
      await expect(dialog.getByRole("status")).toContainText(words);
      await expect(record).toHaveAttribute("aria-disabled", "true");
      await record.click({ force: true }); // a person may, too
      await expect(record).toBeVisible();
    };
    await says("Nothing is left of the track");
    await page.evaluate(() => window.dialog.change({ obstacle: "The analysis is at 40 %." }));
    await says("The analysis is at 40 %.");
    await page.evaluate(() => window.dialog.change({ durationSeconds: null }));
    await says("Open a track first");
    await page.evaluate(() => {
      Object.assign(globalThis, { VideoEncoder: undefined });
      window.dialog.change({ audio: null });
    });
    await says("This browser cannot encode videos");
  });

  for (const [width, height] of [
    [360, 640],
    [1100, 600],
  ] as const) {
    test(`is accessible and fits at ${width} x ${height}`, async ({ page }) => {
      await page.setViewportSize({ width, height });
      const check = async () => {
        // Between two colours, contrast is what neither has.
        await page.evaluate(() =>
          Promise.all(
            document
              .getAnimations()
              .filter((animation) => animation instanceof CSSTransition)
              .map(({ finished }) => finished.catch(() => null)),
          ),
        );
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(
          violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`),
        ).toEqual([]);
        const box = (await page.getByRole("dialog").boundingBox())!;
        expect(box.x).toBeGreaterThanOrEqual(0);
        expect(box.x + box.width).toBeLessThanOrEqual(width);
        expect(
          await page.getByRole("dialog").evaluate((element) => element.scrollWidth - element.clientWidth),
        ).toBe(0);
      };
      const dialog = await open(page);
      await check();
      await dialog.getByRole("radio", { name: /^Video/ }).check();
      await dialog.getByRole("combobox", { name: "Size" }).selectOption("1080p");
      await expect(dialog.getByRole("status")).toContainText("3 seconds");
      await check();
      await dialog.getByRole("button", { name: "Record video" }).click();
      await expect(dialog.getByRole("progressbar")).toBeVisible();
      await check();
      await dialog.getByRole("button", { name: "Cancel" }).click();
      await dialog.getByRole("combobox", { name: "Size" }).selectOption("screen");
      await dialog.getByRole("button", { name: "Record video" }).click();
      await expect(dialog.getByRole("link", { name: "Save to disk" })).toBeVisible({ timeout: 60_000 });
      await check();
    });
  }
});
