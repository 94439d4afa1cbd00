import { expect, test, type Locator, type Page } from "@playwright/test";
import { COARSE, watchProblems } from "./pages";
import { wav } from "./sounds";

/** The browser's devices, as they come and go: audio contexts, the screen, microphones that cannot be had. */

const SLOW = { timeout: 30_000 };

test.use({
  viewport: { width: 800, height: 520 },
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

const root = (page: Page): Locator => page.locator("html");

/** What the page has of the browser, for the test to take away. */
interface Devices {
  readonly contexts: AudioContext[];
  readonly locks: WakeLockSentinel[];
}

const held = (page: Page): Promise<number> =>
  page.evaluate(() => (window as unknown as Devices).locks.filter(({ released }) => !released).length);
const states = (page: Page): Promise<string[]> =>
  page.evaluate(() => (window as unknown as Devices).contexts.map(({ state }) => state));

async function play(page: Page): Promise<void> {
  await page.addInitScript(() => {
    localStorage.setItem("tfdeepviz.note", "yes");
    const devices: Devices = { contexts: [], locks: [] };
    const Original = window.AudioContext;
    window.AudioContext = class extends Original {
      constructor(options?: AudioContextOptions) {
        super(options);
        devices.contexts.push(this);
      }
    };
    navigator.wakeLock.request = () => {
      const lock = Object.assign(new EventTarget(), {
        released: false,
        release: () => Promise.resolve(void (lock.released = true)),
      });
      devices.locks.push(lock as unknown as WakeLockSentinel);
      return Promise.resolve(lock as unknown as WakeLockSentinel);
    };
    Object.assign(window, devices);
  });
  await page.goto("./");
  await expect(root(page)).toHaveAttribute("data-backend", /wasm|cpu/, SLOW);
  await page.getByLabel("Audio files", { exact: true }).setInputFiles({
    name: "song.wav",
    mimeType: "audio/wav",
    buffer: wav({ seconds: 60, sampleRateHz: 22050, channels: 1 }),
  });
  await expect(root(page)).toHaveAttribute("data-state", "playing", SLOW);
}

async function position(page: Page): Promise<number> {
  return Number(await page.getByRole("slider", { name: "Position in the track" }).inputValue());
}

const moves = async (page: Page): Promise<void> => {
  const before = await position(page);
  await expect.poll(() => position(page), SLOW).toBeGreaterThan(before + 0.3);
};

for (const action of ["suspend", "close"] as const) {
  test(`an audio context that others ${action} leaves a paused page, which plays again`, async ({ page }) => {
    await play(page);
    await moves(page);
    await page.evaluate((action) => (window as unknown as Devices).contexts[0]![action](), action);
    await expect(root(page)).toHaveAttribute("data-state", "paused");
    const notice = page.getByRole("status").filter({ hasText: "The sound was interrupted" });
    await expect(notice).toBeVisible();
    const stood = await position(page);
    await notice.getByRole("button", { name: "Play" }).click();
    await expect(root(page)).toHaveAttribute("data-state", "playing");
    await moves(page);
    expect(await position(page)).toBeGreaterThan(stood);
    await expect(notice).toHaveCount(0);
    expect(await states(page)).toEqual(action === "close" ? ["closed", "running"] : ["running"]);
  });
}

test("an audio context that was closed while nothing played is no hindrance", async ({ page }) => {
  await play(page);
  await page.keyboard.press("Space");
  await expect(root(page)).toHaveAttribute("data-state", "paused");
  await page.evaluate(() => (window as unknown as Devices).contexts[0]!.close());
  await page.keyboard.press("Space");
  await expect(root(page)).toHaveAttribute("data-state", "playing");
  await moves(page);
});

test("in a pause the device sleeps and the screen may go dark", async ({ page }) => {
  await play(page);
  await expect.poll(() => held(page)).toBe(1);
  await page.keyboard.press("Space");
  await expect.poll(() => held(page)).toBe(0);
  await expect.poll(() => states(page), SLOW).toEqual(["suspended"]);
  await page.keyboard.press("Space");
  await expect.poll(() => states(page)).toEqual(["running"]);
  await expect.poll(() => held(page)).toBe(1);
  await moves(page);
});

/** A microphone that is allowed when the test says so; every track that the browser gave is remembered. */
async function microphone(page: Page): Promise<void> {
  await page.addInitScript(() => {
    localStorage.setItem("tfdeepviz.note", "yes");
    const tracks: MediaStreamTrack[] = [];
    const waiting: (() => void)[] = [];
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (constraints) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      const stream = await ask(constraints);
      tracks.push(...stream.getTracks());
      return stream;
    };
    const contexts: AudioContext[] = [];
    const Original = window.AudioContext;
    window.AudioContext = class extends Original {
      constructor(options?: AudioContextOptions) {
        super(options);
        contexts.push(this);
      }
    };
    Object.assign(window, { tracks, waiting, contexts });
  });
  await page.goto("./");
  await expect(root(page)).toHaveAttribute("data-backend", /wasm|cpu/, SLOW);
}

interface Asked {
  readonly tracks: MediaStreamTrack[];
  readonly waiting: (() => void)[];
}

async function listen(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Playlist, microphone and more" }).click();
  await page.getByRole("tab", { name: "Live sound" }).click();
  await page.getByRole("button", { name: "Microphone", exact: true }).click();
}

const allow = (page: Page) =>
  page.evaluate(() => (window as unknown as Asked).waiting.splice(0).forEach((resolve) => resolve()));
const tracks = (page: Page): Promise<string[]> =>
  page.evaluate(() => (window as unknown as Asked).tracks.map(({ readyState }) => readyState));

test("of two requests for the microphone that are allowed late one stays open, and none beside a song", async ({
  page,
}) => {
  await microphone(page);
  await listen(page);
  await listen(page);
  await allow(page);
  await expect(page.getByRole("region", { name: "Live sound" })).toBeVisible(SLOW);
  await expect.poll(() => tracks(page)).toHaveLength(2);
  expect((await tracks(page)).toSorted()).toEqual(["ended", "live"]);
  await page.keyboard.press("Space"); // the controls may have faded
  await expect.poll(() => tracks(page)).toEqual(["ended", "ended"]);

  await listen(page);
  await page.getByLabel("Audio files", { exact: true }).setInputFiles({
    name: "song.wav",
    mimeType: "audio/wav",
    buffer: wav({ seconds: 60, sampleRateHz: 22050, channels: 1 }),
  });
  await allow(page);
  await expect.poll(() => tracks(page)).toEqual(["ended", "ended", "ended"]);
  await expect(root(page)).toHaveAttribute("data-state", "playing", SLOW);
  await expect(page.getByRole("region", { name: "Player" })).toBeVisible();
});

for (const action of ["suspend", "close"] as const) {
  test(`listening does not stand still when others ${action} its context`, async ({ page }) => {
    await microphone(page);
    await listen(page);
    await allow(page);
    await expect(page.getByRole("region", { name: "Live sound" })).toBeVisible(SLOW);
    await page.evaluate((action) => (window as unknown as Devices).contexts.at(-1)![action](), action);
    if (action === "suspend") {
      await expect.poll(() => states(page)).toEqual(["running"]);
      expect(await tracks(page)).toEqual(["live"]);
    } else {
      await expect(page.getByRole("status").filter({ hasText: "The microphone has stopped." })).toBeVisible();
      await expect(root(page)).toHaveAttribute("data-state", "welcome");
      expect(await tracks(page)).toEqual(["ended"]);
    }
  });
}

test("a page without HTTPS says what live sound needs", async ({ page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(window, "isSecureContext", { value: false });
    Object.defineProperty(navigator, "mediaDevices", { value: undefined });
  });
  await page.goto("./");
  await page.getByRole("button", { name: "Playlist, microphone and more" }).click();
  await page.getByRole("tab", { name: "Live sound" }).click();
  const panel = page.getByRole("tabpanel");
  await expect(panel).toContainText("Microphone access needs HTTPS or localhost.");
  await expect(panel).toContainText("Tab audio needs HTTPS or localhost.");
  await expect(panel.getByRole("button")).toHaveCount(0);
});
