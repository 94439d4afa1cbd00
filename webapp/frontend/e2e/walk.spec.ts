/**
 * The end of the whole walk: a model that was just trained and pushed draws what `tfdeepviz extract` says of the same
 * file. `tests/test_walk.py` makes the model, the track and the expectation, and runs this with
 *
 *     TFDEEPVIZ_WALK      a WAV file
 *     TFDEEPVIZ_EXPECTED  what `tfdeepviz extract` wrote of it at the bundle's own steps, as JSON
 *     TFDEEPVIZ_MOMENTS   when to measure, in seconds, as JSON: where no pulse makes bars longer than their parameters
 */
import { readFile } from "node:fs/promises";
import { expect, test, type Page } from "@playwright/test";
import { barLayout, LIT_LUMA } from "../src/visuals/bar-layout";

interface Extract {
  readonly bundle: string;
  readonly times: readonly number[];
  readonly parameters: readonly (readonly number[])[];
}

const SIZE = { width: 640, height: 480 };
const SLOW = { timeout: 30_000 };

test.use({ viewport: SIZE });

test("the bars are as long as extract says", async ({ page, context }) => {
  const track = await readFile(process.env.TFDEEPVIZ_WALK!);
  const expected = JSON.parse(await readFile(process.env.TFDEEPVIZ_EXPECTED!, "utf8")) as Extract;
  const ruler = await context.newPage(); // decodes screenshots apart from the page that is tested

  await page.addInitScript(() => {
    localStorage.setItem("tfdeepviz.note", "yes");
    localStorage.setItem("tfdeepviz.visual", "bar");
  });
  await page.goto("./");
  const root = page.locator("html");
  await expect(root).toHaveAttribute("data-backend", "wasm", SLOW);
  await page.locator('input[type="file"]').first().setInputFiles({
    name: "walk.wav",
    mimeType: "audio/wav",
    buffer: track,
  });
  await expect(root).toHaveAttribute("data-state", "playing", SLOW);
  await page.getByRole("button", { name: "Stop" }).click(); // at exactly 0 s, of which the slider shows tenths only
  await expect(root).toHaveAttribute("data-state", "paused");

  // One slider, or one for rising and one for falling.
  const smoothing = page.getByRole("slider", { name: /^Smoothing/, includeHidden: true });
  for (let i = 0; i < (await smoothing.count()); i++) {
    await smoothing.nth(i).evaluate((slider: HTMLInputElement) => {
      slider.value = "0";
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
  const seekBar = page.getByRole("slider", { name: "Position in the track" });
  for (const moment of JSON.parse(process.env.TFDEEPVIZ_MOMENTS!) as number[]) {
    await seekBar.fill(String(moment));
    await page.waitForTimeout(500);
    const seconds = Number(await seekBar.inputValue());
    expect(seconds).toBeCloseTo(moment, 3);
    const parameters = interpolated(expected, seconds);
    const png = await picture(page);
    const lengths = await measureBars(ruler, png.toString("base64"));
    const { fullLength } = barLayout(SIZE.width, SIZE.height)[0]!;
    parameters.forEach((parameter, index) => {
      const what = `parameter ${index} at ${seconds} s`;
      expect(Math.abs(lengths[index]! - parameter * fullLength), what).toBeLessThan(3);
    });
  }
});

/**
 * A screenshot without what floats above the bars. Playwright's own `style` option would add an inline style sheet,
 * which the page's content security policy refuses.
 */
async function picture(page: Page): Promise<Buffer> {
  const show = (visibility: string) =>
    page
      .locator(".chrome, .notices")
      .evaluateAll(
        (elements, visibility) =>
          elements.forEach((element) => (element as HTMLElement).style.setProperty("visibility", visibility)),
        visibility,
      );
  await show("hidden");
  const png = await page.locator("#stage").screenshot();
  await show("");
  return png;
}

/** What Python says at a moment: linear between two segments, held before the first and after the last. */
function interpolated({ times, parameters }: Extract, seconds: number): number[] {
  const next = times.findIndex((time) => time > seconds);
  if (next === 0) return [...parameters[0]!];
  if (next === -1) return [...parameters.at(-1)!];
  const weight = (seconds - times[next - 1]!) / (times[next]! - times[next - 1]!);
  return parameters[next - 1]!.map((value, index) => value + weight * (parameters[next]![index]! - value));
}

/** Lengths of the ten bars in CSS pixels, measured as `barLayout` describes. */
async function measureBars(ruler: Page, png: string): Promise<number[]> {
  const places = barLayout(SIZE.width, SIZE.height);
  return ruler.evaluate(
    async ({ png, places, threshold }) => {
      const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
      const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const context = new OffscreenCanvas(image.width, image.height).getContext("2d")!;
      context.drawImage(image, 0, 0);
      return places.map(({ left, right, baseline }) => {
        const column = context.getImageData(Math.floor((left + right) / 2), 0, 1, baseline).data;
        let length = 0;
        for (let row = baseline - 1; row >= 0; row--, length++) {
          const [red, green, blue] = column.subarray(4 * row, 4 * row + 3);
          if (0.2126 * red! + 0.7152 * green! + 0.0722 * blue! < threshold) break;
        }
        return length;
      });
    },
    { png, places, threshold: LIT_LUMA },
  );
}
