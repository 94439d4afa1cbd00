/** The example of docs/examples/embed, as a stranger serves it: from another origin, without any of our headers. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test, type Page } from "@playwright/test";

const EXAMPLE = fileURLToPath(new URL("../../../docs/examples/embed/index.html", import.meta.url));
const TRACK = fileURLToPath(new URL("../../tracks/rock.mp3", import.meta.url));
const PLAYGROUND = "http://127.0.0.1:8000";

// Software draws: a small picture leaves the processor to what is tested.
test.use({ viewport: { width: 480, height: 360 } });

let server: Server;

/** Serve the page with the playground's address in it. @returns its own address */
async function serve(playground: string): Promise<string> {
  const page = (await readFile(EXAMPLE, "utf8")).replace(PLAYGROUND, playground);
  server = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(page);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test.afterEach(() => server.close());

const picture = (page: Page): Promise<string> =>
  page.evaluate(() => document.querySelector("canvas")!.toDataURL());

/** How many different colours the picture has: one while there is nothing but ground. */
const colours = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const canvas = document.querySelector("canvas")!;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  });

test("is a page of under 40 lines", async () => {
  const lines = (await readFile(EXAMPLE, "utf8")).trimEnd().split("\n");
  await serve(PLAYGROUND);
  expect(lines.length).toBeLessThan(40);
  expect(lines.filter((line) => line.includes(PLAYGROUND))).toHaveLength(1);
});

test("draws what it hears, and nothing else", async ({ page, baseURL }) => {
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(await serve(new URL(baseURL!).origin));
  await expect(page.locator(`canvas[width="480"]`)).toBeAttached(); // the page listens from now on
  const blank = await picture(page);
  await page.locator("input").setInputFiles(TRACK);
  await expect.poll(() => picture(page), { timeout: 30_000 }).not.toBe(blank);
  await expect.poll(() => colours(page), { timeout: 30_000 }).toBeGreaterThan(100);

  // As long as the music stands still, so does the picture; with the music it goes on.
  await page.evaluate(() => document.querySelector("audio")!.pause());
  const paused = await picture(page);
  await page.waitForTimeout(500);
  expect(await picture(page)).toBe(paused);
  await page.evaluate(() => document.querySelector("audio")!.play());
  await expect.poll(() => picture(page), { timeout: 10_000 }).not.toBe(paused);
  await expect(page.locator("output")).toHaveText("");
  expect(problems).toEqual([]);
});

test("says when the playground is not there", async ({ page }) => {
  await page.goto(await serve("http://127.0.0.1:9"));
  await expect(page.locator("output")).toHaveText(/Failed to fetch dynamically imported module/);
});
