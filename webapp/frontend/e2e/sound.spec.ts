import { expect, test } from "@playwright/test";
import { servePage, watchProblems } from "./pages";
import config from "../playwright.config.ts";

/** Live input and the cache of encodings in a real browser, on a page of their own (sound/index.html). */

const { launchOptions } = config.use ?? {};

// The browser's own microphone beeps once a second; it and the page's own tab are allowed without asking.
test.use({
  launchOptions: {
    ...launchOptions,
    args: [
      ...(launchOptions?.args ?? []),
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
    ],
  },
});

const address = servePage("sound");

watchProblems();

test.beforeEach(async ({ page }) => {
  await page.goto(address());
  await page.waitForFunction(() => "sound" in window);
});

test("the microphone is shown one second later", async ({ page }) => {
  const { error, seen, seconds, ended } = await page.evaluate(() => window.sound.hear("microphone", 6000));
  expect(error).toBeNull();
  expect(ended).toBe(false);
  const moments = seen!.map(([moment]) => moment);
  expect(moments).toEqual(moments.toSorted((a, b) => a - b));
  expect(moments.at(-1)).toBeGreaterThan(seconds! - 1.6);
  expect(moments.at(-1)).toBeLessThan(seconds! - 0.8);
  const parameters = seen!.slice(seen!.length / 2).map(([, parameter]) => parameter);
  expect(Math.max(...parameters) - Math.min(...parameters)).toBeGreaterThan(0.01);
  expect(Math.max(...seen!.map(([, , level]) => level))).toBeGreaterThan(0.3);
});

test("a microphone that is not allowed is explained", async ({ page }) => {
  await page.evaluate(() => {
    const refuse = () => Promise.reject(new DOMException("Permission denied", "NotAllowedError"));
    navigator.mediaDevices.getUserMedia = refuse;
    navigator.mediaDevices.getDisplayMedia = refuse;
  });
  expect((await page.evaluate(() => window.sound.hear("microphone", 100))).error).toContain("not allowed");
  expect((await page.evaluate(() => window.sound.hear("tab", 100))).error).toContain("Nothing was shared");
});

test("a tab that is shared is heard, antiphase too, and without its sound a reminder is given", async ({
  page,
}) => {
  await page.evaluate(() => {
    navigator.mediaDevices.getDisplayMedia = async () => {
      const canvas = document.createElement("canvas");
      canvas.getContext("2d");
      const picture = canvas.captureStream();
      const context = new AudioContext();
      const tone = new OscillatorNode(context);
      const out = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
      const merger = new ChannelMergerNode(context, { numberOfInputs: 2 });
      tone.connect(merger, 0, 0);
      tone.connect(new GainNode(context, { gain: -1 })).connect(merger, 0, 1);
      ("antiphase" in window ? merger : tone).connect(out);
      tone.start();
      const [audio] = out.stream.getAudioTracks();
      if (!("silent" in window) && audio) picture.addTrack(audio);
      // What the browser's own button does.
      setTimeout(() => {
        audio?.stop();
        audio?.dispatchEvent(new Event("ended"));
      }, 2000);
      await context.resume();
      return picture;
    };
  });
  const heard = await page.evaluate(() => window.sound.hear("tab", 3000));
  expect(heard.error).toBeNull();
  expect(heard.ended).toBe(true);
  expect(Math.max(...heard.seen!.map(([, , level]) => level))).toBeGreaterThan(0.8);
  const antiphase = await page.evaluate(() => {
    Object.assign(window, { antiphase: true });
    return window.sound.hear("tab", 3000);
  });
  expect(Math.max(...antiphase.seen!.map(([, , level]) => level))).toBeGreaterThan(0.8);
  const silent = await page.evaluate(() => {
    Object.assign(window, { silent: true });
    return window.sound.hear("tab", 100);
  });
  expect(silent.error).toContain("tick");
});

test("encodings are kept over visits, refused when they are damaged, and forgotten on demand", async ({
  page,
}) => {
  const recall = (seed: number) => page.evaluate((seed) => window.sound.recall(seed), seed);
  const size = () => page.evaluate(() => window.sound.sizeBytes());
  expect(await recall(1)).toBeNull();
  await page.evaluate(async () => {
    await window.sound.keep(1);
    await window.sound.keep(2);
  });
  const bytes = await size();
  expect(bytes).toBeGreaterThan(400);
  await page.reload();
  await page.waitForFunction(() => "sound" in window);
  expect(await recall(1)).toEqual([1, 2, 3]);
  expect(await recall(2)).toEqual([2, 3, 4]);
  await page.evaluate(() => window.sound.damage());
  expect(await recall(1)).toBeNull();
  expect(await size()).toBe(bytes! / 2);
  await page.evaluate(() => window.sound.clear());
  expect(await size()).toBe(0);
  expect(await recall(2)).toBeNull();
  expect(await page.evaluate(() => window.sound.counts)).toEqual({
    hits: 2,
    misses: 1,
    refused: 1,
    failed: 0,
  });
});

test("nothing is kept, and nothing fails, where there is no storage", async ({ page }) => {
  await page.evaluate(() => Object.defineProperty(window, "indexedDB", { value: undefined }));
  await page.evaluate(() => window.sound.keep(1));
  expect(await page.evaluate(() => window.sound.recall(1))).toBeNull();
  expect(await page.evaluate(() => window.sound.sizeBytes())).toBeNull();
});
