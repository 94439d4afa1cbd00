import { expect, test, type Page } from "@playwright/test";
import { servePage } from "./pages";
import { VISUALS } from "../src/visuals";
import { constant, frameAt, music, PARAMETERS, type Moment } from "./visuals/frames";
import type { Light, Seen } from "./visuals/harness";

/** Visuals by themselves, on a page of their own (visuals/index.html): what they promise in src/visuals/visual.ts. */

const IDS = VISUALS.map(({ id }) => id);

/** Small pictures: these tests run on processors, too. */
const SIZE = { width: 384, height: 216 };

// Without a GPU, and with others at work on the same processor, a round of real takes seconds.
test.describe.configure({ timeout: 300_000 });

const address = servePage("visuals");

test.beforeEach(async ({ page }) => {
  await page.goto(address());
  await page.waitForFunction(() => "harness" in window);
});

async function open(page: Page, id: string, seed = 1, calm = false): Promise<void> {
  await page.evaluate(
    ({ id, seed, calm, width, height }) => {
      window.harness.create(id, seed, calm);
      window.harness.resize(width, height);
    },
    { id, seed, calm, ...SIZE },
  );
}

const render = (page: Page, moment: Moment, name: string): Promise<void> =>
  page.evaluate(({ moment, name }) => window.harness.render(moment, name), { moment, name });

const difference = (page: Page, first: string, second: string): Promise<{ mean: number; max: number }> =>
  page.evaluate(([first, second]) => window.harness.difference(first!, second!), [first, second]);

for (const id of IDS) {
  test.describe(id, () => {
    test("draws the same picture for the same frame, whatever was drawn before", async ({ page }) => {
      await open(page, id);
      await render(page, music(4), "first");
      await render(page, music(4), "again");
      await render(page, music(90), "other");
      await page.evaluate(() => window.harness.resize(200, 300, 2));
      await render(page, music(1), "resized");
      await page.evaluate(({ width, height }) => window.harness.resize(width, height), SIZE);
      await render(page, music(4), "later");
      expect(await difference(page, "first", "again")).toEqual({ mean: 0, max: 0 });
      expect(await difference(page, "first", "later")).toEqual({ mean: 0, max: 0 });
      expect((await difference(page, "first", "other")).mean).toBeGreaterThan(1);

      // The same on a canvas that another visual has used.
      for (const next of [IDS.find((other) => other !== id) ?? id, id]) {
        await page.evaluate(() => window.harness.dispose());
        await open(page, next);
        await render(page, music(4), next);
      }
      expect(await difference(page, "first", id)).toEqual({ mean: 0, max: 0 });
    });

    test("looks as it did when it was last looked at", async ({ page }) => {
      await open(page, id);
      await page.evaluate(() => window.harness.resize(192, 108));
      await render(page, music(7), "now");
      // Drivers round differently; a scene that has changed differs in more than a few pixels. When it was meant to:
      // npx playwright test visuals.spec.ts -g "looks as it did" --update-snapshots
      expect(await page.locator("canvas").screenshot()).toMatchSnapshot(`${id}.png`, {
        maxDiffPixelRatio: 0.03,
      });
    });

    test("looks different with another seed", { tag: "@slow" }, async ({ page }) => {
      for (const seed of [1, 2, 3]) {
        await open(page, id, seed);
        await render(page, music(4), `seed ${seed}`);
        await page.evaluate(() => window.harness.dispose());
      }
      const least = id === "real" ? 8 : 1;
      expect((await difference(page, "seed 1", "seed 2")).mean).toBeGreaterThan(least);
      expect((await difference(page, "seed 2", "seed 3")).mean).toBeGreaterThan(least);
    });

    test("shows each of its parameters", async ({ page }) => {
      await open(page, id);
      const rest = await page.evaluate((id) => window.harness.rest[id]!, id);
      await render(page, constant(rest, 6), "rest");
      for (let index = 0; index < PARAMETERS; index++) {
        const moved = rest.map((value, i) =>
          i === index ? (value < 0.5 ? value + 0.45 : value - 0.45) : value,
        );
        await render(page, constant(moved, 6), "moved");
        const { mean } = await difference(page, "rest", "moved");
        expect(mean, `mean difference of pixels when parameter ${index} moves`).toBeGreaterThan(0.4);
      }
    });

    test(
      "stays composed: neither black nor burnt out, at any parameters",
      { tag: "@slow" },
      async ({ page }) => {
        await open(page, id);
        const corners = [0, 1, 0.5, 0.03].map((value) => new Array<number>(PARAMETERS).fill(value));
        const alternating = [0, 1].map((odd) => Array.from({ length: PARAMETERS }, (_, i) => (i + odd) % 2));
        for (const parameters of [...corners, ...alternating]) {
          await render(page, constant(parameters, 20), "frame");
          const { mean, black, white } = await page.evaluate(() => window.harness.tones("frame"));
          const what = `at ${parameters.join(" ")}`;
          expect(mean, what).toBeGreaterThan(8);
          expect(mean, what).toBeLessThan(200);
          expect(black, what).toBeLessThan(0.4);
          expect(white, what).toBeLessThan(0.06);
        }
      },
    );

    test(
      "does not flash: the picture's brightness moves smoothly, and little at a beat",
      { tag: "@slow" },
      async ({ page }) => {
        await open(page, id);
        const pulse = (step: number): number => frameAt(music(10 + step / 30)).pulse;
        let before = Number.NaN;
        for (let step = 0; step < 30; step++) {
          await render(page, music(10 + step / 30), "frame");
          const { mean } = await page.evaluate(() => window.harness.tones("frame"));
          // Light that a beat sends out may travel for a while.
          const isBeat = [0, 1, 2, 3].some((ago) => pulse(step - ago) > pulse(step - ago - 1));
          if (step > 0) expect(Math.abs(mean - before), `step ${step}`).toBeLessThan(isBeat ? 12 : 5);
          before = mean;
        }
      },
    );

    test(
      "stands nearly still in silence, and is calm where it should be",
      { tag: "@slow" },
      async ({ page }) => {
        const rest = await page.evaluate((id) => window.harness.rest[id]!, id);
        // Parameters stand; musical time goes on, or does not.
        const drift = async (calm: boolean, silentFrom: number): Promise<number> => {
          await open(page, id, 1, calm);
          await render(page, constant(rest, 61, silentFrom), "now");
          await render(page, constant(rest, 61 + 1 / 30, silentFrom), "next");
          await page.evaluate(() => window.harness.dispose());
          return (await difference(page, "now", "next")).mean;
        };
        const endless = Number.POSITIVE_INFINITY;
        expect(await drift(false, 60)).toBeLessThan(0.2);
        expect((await drift(true, endless)) / (await drift(false, endless))).toBeLessThan(0.5);
      },
    );

    test("leaves nothing behind on the GPU", { tag: "@slow" }, async ({ page }) => {
      const alive = async (): Promise<Record<string, number>> => {
        await open(page, id);
        await render(page, music(2), "frame");
        await page.evaluate(() => window.harness.dispose());
        return page.evaluate(() => window.harness.alive());
      };
      const first = await alive();
      // The canvas's renderer keeps a few stand-in textures and framebuffers for itself, but none more for each visual.
      for (const kind of ["Buffer", "Program", "Renderbuffer", "Shader", "VertexArray"]) {
        expect(first[kind] ?? 0, kind).toBe(0);
      }
      for (let round = 1; round < 20; round++) expect(await alive()).toEqual(first);
    });

    test("comes back when the browser has taken its context away", { tag: "@slow" }, async ({ page }) => {
      await open(page, id);
      await render(page, music(4), "before");
      await page.evaluate(() => window.harness.loseContext());
      await render(page, music(4), "after");
      expect((await difference(page, "before", "after")).mean).toBeLessThan(0.01);
    });
  });
}

test("every one of them says so where there is no WebGL 2", async ({ page }) => {
  const names = await page.evaluate(() =>
    window.harness.ids.map((id) => window.harness.errorWithoutWebGl(id)),
  );
  expect(new Set(names)).toEqual(new Set(["WebGlUnavailableError"]));
});

test.describe("bars can be measured in a screenshot", () => {
  for (const [width, height, pixelRatio] of [
    [360, 640, 1],
    [360, 640, 3],
    [1280, 720, 1],
    [901, 507, 1.5],
  ] as const) {
    test(`${width}x${height} at ${pixelRatio}`, async ({ browser }) => {
      const page = await browser.newPage({ viewport: { width, height }, deviceScaleFactor: pixelRatio });
      await page.goto(address());
      await page.waitForFunction(() => "harness" in window);
      await page.evaluate(
        ({ width, height, pixelRatio }) => {
          window.harness.create("bar", 4);
          window.harness.resize(width, height, pixelRatio);
        },
        { width, height, pixelRatio },
      );
      const climbing = Array.from({ length: PARAMETERS }, (_, index) => index / 9);
      for (const [timeSeconds, parameters] of [
        [0, climbing],
        [0.7, climbing], // time moves nothing
        [45, [...climbing].reverse()],
        [200, new Array<number>(PARAMETERS).fill(1)],
        [400, [0, 0.01, 0.02, 0.05, 0.1, 0.5, 0.25, 0.98, 0.99, 0.73]],
        [700, new Array<number>(PARAMETERS).fill(0)],
      ] as const) {
        await page.evaluate((moment) => window.harness.draw(moment), constant([...parameters], timeSeconds));
        const png = (await page.screenshot()).toString("base64");
        const lengths = await page.evaluate((png) => window.harness.measureBars(png), png);
        const { fullLength } = await page.evaluate(
          ({ width, height }) => window.harness.barLayout(width, height)[0]!,
          { width, height },
        );
        lengths.forEach((length, index) => {
          const expected = parameters[index]! * fullLength;
          expect(Math.abs(length - expected), `bar ${index} at ${timeSeconds} s: ${length}`).toBeLessThan(1);
        });
      }
      await page.close();
    });
  }
});

test.describe("the flash limiter", () => {
  /** Greatest number of flashes in any second: rises by more than `change` after falls by as much. */
  function flashes(values: readonly number[], change: number): number {
    const rises: number[] = [];
    let [low, high] = [values[0]!, values[0]!];
    let rising = true;
    values.forEach((value, frame) => {
      if (rising) {
        high = Math.max(high, value);
        if (value < high - change) [rising, low] = [false, value];
      } else {
        low = Math.min(low, value);
        if (value > low + change) {
          [rising, high] = [true, value];
          rises.push(frame);
        }
      }
    });
    return Math.max(
      0,
      ...rises.map((frame) => rises.filter((other) => other >= frame && other < frame + 60).length),
    );
  }
  const luminance = ([red, green, blue]: Light) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  const generalFlashes = (seen: readonly Seen[]) =>
    flashes(
      seen.map(({ light }) => luminance(light)),
      0.1,
    );
  /** Stricter than WCAG, which counts them only where the red is saturated. */
  const redFlashes = (seen: readonly Seen[]) =>
    flashes(
      seen.map(({ excessOfRed }) => excessOfRed),
      20 / 320,
    );
  const unlimited = (frames: readonly Light[]) =>
    frames.map((light): Seen => ({ light, excessOfRed: Math.max(0, light[0] - light[1] - light[2]) }));
  /** The greatest difference in any frame and colour. */
  const difference = (seen: readonly Seen[], light: (frame: number) => Light) =>
    Math.max(
      ...seen.flatMap((one, frame) => one.light.map((value, i) => Math.abs(value - light(frame)[i]!))),
    );

  const strobe = (page: Page, frames: Light[][], share = 0.5) =>
    page.evaluate(({ frames, share }) => window.harness.strobe(frames, share), { frames, share });
  /** Three seconds of one and the other in turn. */
  const blink = (everyFrames: number, one: Light, other: Light) =>
    Array.from({ length: 180 }, (_, frame) => (Math.floor(frame / everyFrames) % 2 === 0 ? one : other));
  const each = (frames: readonly Light[]) => frames.map((frame) => [frame]);
  const DARK: Light = [0.02, 0.02, 0.02];
  const WHITE: Light = [1, 1, 1];

  test("lets 3 to 30 flashes a second through as two at most", async ({ page }) => {
    for (const everyFrames of [1, 2, 3, 5, 9]) {
      const frames = blink(everyFrames, DARK, WHITE);
      expect(generalFlashes(unlimited(frames))).toBeGreaterThan(2);
      const seen = (await strobe(page, each(frames))).map(({ changing }) => changing);
      expect(generalFlashes(seen), `every ${everyFrames} frames`).toBeLessThanOrEqual(2);
    }
  });

  test("lets red flash no more often, whatever it alternates with", async ({ page }) => {
    for (const [what, one, other] of [
      ["black", [0, 0, 0], [1, 0, 0]],
      ["black, dark itself", [0, 0, 0], [0.2, 0, 0]],
      ["green as bright", [0, 0.297, 0], [1, 0, 0]],
      ["blue as bright", [0, 0, 1], [0.34, 0, 0]],
      ["grey as bright", [0.2126, 0.2126, 0.2126], [1, 0, 0]],
      ["white", [1, 0, 0], [1, 1, 1]],
      ["another red", [0.25, 0, 0], [0.65, 0, 0]],
      ["a red far apart", [0.2, 0, 0], [1, 0.1, 0.1]],
      ["a dark red, orange itself", [0.15, 0, 0], [0.8, 0.18, 0]],
    ] as const satisfies readonly (readonly [string, Light, Light])[]) {
      for (const everyFrames of [3, 7]) {
        const frames = blink(everyFrames, [...one], [...other]);
        expect(redFlashes(unlimited(frames))).toBeGreaterThan(2);
        const seen = (await strobe(page, each(frames))).map(({ changing }) => changing);
        const where = `with ${what}, every ${everyFrames} frames`;
        expect(redFlashes(seen), where).toBeLessThanOrEqual(2);
        expect(generalFlashes(seen), where).toBeLessThanOrEqual(2);
      }
    }
  });

  test("what darkens white beside a red that stands makes no flashes of it", async ({ page }) => {
    const frames = blink(4, DARK, WHITE).map((light): Light[] => [light, [1, 0, 0]]);
    const seen = (await strobe(page, frames)).map(({ changing }) => changing);
    expect(redFlashes(seen)).toBeLessThanOrEqual(2);
    expect(generalFlashes(seen)).toBeLessThanOrEqual(2);
  });

  test("leaves alone what is slow, what is not red, and what does not change", async ({ page }) => {
    for (const light of [WHITE, [1, 0, 0]] satisfies Light[]) {
      const frames = blink(32, DARK, light); // a flash a second, about
      const seen = await strobe(page, each(frames));
      const [changing, steady] = [seen.map((one) => one.changing), seen.map((one) => one.steady)];
      expect(difference(changing, (frame) => frames[frame]!)).toBeLessThan(0.05);
      expect(difference(steady, () => steady[0]!.light)).toBeLessThan(0.005);
    }
    const warm = blink(2, [0.5, 0.2, 0.1], [0.7, 0.28, 0.14]);
    const seen = (await strobe(page, each(warm))).map(({ changing }) => changing);
    expect(difference(seen, (frame) => warm[frame]!)).toBeLessThan(0.05);
    const beside = (await strobe(page, each(blink(2, DARK, WHITE)), 0.25)).map(({ steady }) => steady);
    expect(difference(beside, () => beside[0]!.light)).toBeLessThan(0.005);
  });
});
