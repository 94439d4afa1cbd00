import { expect, test, type Page } from "@playwright/test";
import { servePage } from "./pages";
import { VISUALS } from "../src/visuals";
import { constant, music, PARAMETERS, type Moment } from "./visuals/frames";

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

async function open(page: Page, id: string, seed = 1, reducedMotion = false): Promise<void> {
  await page.evaluate(
    ({ id, seed, reducedMotion, width, height }) => {
      window.harness.create(id, seed, reducedMotion);
      window.harness.resize(width, height);
    },
    { id, seed, reducedMotion, ...SIZE },
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
      "does not flash: smooth parameters move the picture's brightness smoothly",
      { tag: "@slow" },
      async ({ page }) => {
        await open(page, id);
        let previous = Number.NaN;
        for (let step = 0; step < 30; step++) {
          await render(page, music(10 + step / 30), "frame");
          const { mean } = await page.evaluate(() => window.harness.tones("frame"));
          if (step > 0) expect(Math.abs(mean - previous), `step ${step}`).toBeLessThan(3);
          previous = mean;
        }
      },
    );

    test("is calm in silence, and calmer with reduced motion", { tag: "@slow" }, async ({ page }) => {
      const rest = await page.evaluate((id) => window.harness.rest[id]!, id);
      const drift: number[] = [];
      for (const reducedMotion of [false, true]) {
        await open(page, id, 1, reducedMotion);
        // Music that has stopped: the parameters stand, time and travel go on.
        await render(page, constant(rest, 60), "now");
        await render(page, constant(rest, 60 + 1 / 30), "next");
        drift.push((await difference(page, "now", "next")).mean);
        await page.evaluate(() => window.harness.dispose());
      }
      expect(drift[0]).toBeLessThan(3);
      expect(drift[1]).toBeLessThan(drift[0]!);
    });

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

    test("says so where there is no WebGL 2", async ({ page }) => {
      const name = await page.evaluate((id) => window.harness.errorWithoutWebGl(id), id);
      expect(name).toBe("WebGlUnavailableError");
    });
  });
}

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
  /** Greatest number of flashes in any second: rises of a tenth of full luminance after falls of as much. */
  function flashes(luminances: readonly number[]): number {
    const rises: number[] = [];
    let [low, high] = [luminances[0]!, luminances[0]!];
    let rising = true;
    luminances.forEach((light, frame) => {
      if (rising) {
        high = Math.max(high, light);
        if (light <= high - 0.1) [rising, low] = [false, light];
      } else {
        low = Math.min(low, light);
        if (light >= low + 0.1) {
          [rising, high] = [true, light];
          rises.push(frame);
        }
      }
    });
    return Math.max(
      0,
      ...rises.map((frame) => rises.filter((other) => other >= frame && other < frame + 60).length),
    );
  }

  const strobe = (page: Page, lit: boolean[], share = 0.5) =>
    page.evaluate(({ lit, share }) => window.harness.strobe(lit, share), { lit, share });
  const blink = (everyFrames: number) =>
    Array.from({ length: 300 }, (_, frame) => Math.floor(frame / everyFrames) % 2 === 1);

  for (const everyFrames of [1, 2, 3, 5, 9]) {
    test(`lets ${(30 / everyFrames).toFixed(1)} flashes a second through as two at most`, async ({
      page,
    }) => {
      const lit = blink(everyFrames);
      expect(flashes(lit.map(Number))).toBeGreaterThan(2);
      const seen = await strobe(page, lit);
      expect(flashes(seen.map(({ changing }) => changing))).toBeLessThanOrEqual(2);
    });
  }

  test("leaves alone what is slow, and what does not change", async ({ page }) => {
    const lit = blink(32); // a flash a second, about
    const seen = await strobe(page, lit);
    seen.forEach(({ changing, steady }, frame) => {
      expect(changing, `frame ${frame}`).toBeCloseTo(lit[frame]! ? 1 : 0.02, 1);
      expect(steady).toBeCloseTo(seen[0]!.steady, 2);
    });
    const fast = await strobe(page, blink(2), 0.25);
    for (const { steady } of fast) expect(steady).toBeCloseTo(fast[0]!.steady, 2);
  });
});
