/**
 * The site that `tfdeepviz site` writes, from a file server that knows nothing of it: no headers, no ranges, and the
 * site in a folder of its own among others.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test, type Page } from "@playwright/test";
import { COARSE } from "./pages";

const SLOW = { timeout: 30_000 };
const PATH = "/some/where/";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const python = process.env.TFDEEPVIZ_PYTHON ?? join(repository, ".venv/bin/python");

// Software draws the picture where tests run: a small one leaves the processor to what is tested.
test.use({ viewport: { width: 800, height: 520 }, ...COARSE, serviceWorkers: "allow" });

let folder: string;
let server: ChildProcess | undefined;
let origin: string;
const problems: string[] = [];

test.beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tfdeepviz-site-"));
  await mkdir(join(folder, "some"));
  const options = ["static", "registry", "tracks"].flatMap((name) => {
    const value = process.env[`TFDEEPVIZ_${name.toUpperCase()}`];
    return value === undefined ? [] : [`--${name}`, value];
  });
  execFileSync(python, ["-m", "tfdeepviz.cli", "site", join(folder, PATH), ...options], { cwd: repository });
  const command = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder];
  server = spawn(python, command, { stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: server.stdout! })) {
    origin = /http:\/\/[\d.:]+/.exec(line)?.[0] ?? "";
    break;
  }
  expect(origin).not.toBe("");
});

test.afterAll(async () => {
  server?.kill();
  await rm(folder, { recursive: true });
});

test.beforeEach(({ page }) => {
  problems.length = 0;
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
});

test.afterEach(() => expect(problems).toEqual([]));

/** Open the page and wait for its model; tells how often it was loaded on the way. */
async function open(page: Page, url: string): Promise<number> {
  let loads = 0;
  page.on("domcontentloaded", () => loads++);
  await page.addInitScript(() => localStorage.setItem("tfdeepviz.note", "yes"));
  await page.goto(url);
  await expect(page.locator("html")).toHaveAttribute("data-backend", /wasm|cpu/, SLOW);
  return loads;
}

const isIsolated = (page: Page): Promise<boolean> => page.evaluate(() => crossOriginIsolated);

/** Let the analysis have two threads even of two cores, of which it would leave one to the page. */
async function allowTwoThreads(page: Page): Promise<void> {
  await page.addInitScript(() => {
    globalThis.Worker = class extends Worker {
      override postMessage(message: { kind?: string }, options?: unknown) {
        const changed = message.kind === "start" ? { ...message, maxThreads: 2 } : message;
        super.postMessage(changed, options as StructuredSerializeOptions);
      }
    };
  });
}

test("is isolated after one reload, runs threads, plays and seeks", async ({ page }) => {
  const worked: string[] = [];
  page.on("response", (response) => {
    if (response.fromServiceWorker()) worked.push(new URL(response.url()).pathname);
  });
  await allowTwoThreads(page);
  expect(await open(page, origin + PATH)).toBe(2);
  expect(await isIsolated(page)).toBe(true);
  const cores = await page.evaluate(() => navigator.hardwareConcurrency);
  await expect(page.locator("html")).toHaveAttribute("data-threads", String(Math.min(2, cores)));

  await page.locator(".demo").first().click();
  const root = page.locator("html");
  await expect(root).toHaveAttribute("data-state", "playing", SLOW);
  const seekBar = page.getByRole("slider", { name: "Position in the track" });
  const position = async () => Number(await seekBar.inputValue());
  const start = await position();
  await expect.poll(position, SLOW).toBeGreaterThan(start + 0.5);
  await page.keyboard.press("Space");
  await expect(root).toHaveAttribute("data-state", "paused");
  await seekBar.fill("20");
  await expect.poll(position).toBeCloseTo(20, 0);
  await page.keyboard.press("Space");
  await expect.poll(position, SLOW).toBeGreaterThan(20.5);

  // The browser's own player asks for ranges, and gets what the host gives.
  await page.evaluate(async () => {
    const audio = new Audio("tracks/electronic.mp3");
    await new Promise((resolve, reject) => {
      audio.oncanplay = resolve;
      audio.onerror = reject;
    });
  });
  // The worker answers for what the page is made of and what it shows, and for nothing beside the site.
  expect(worked).toContain(PATH);
  for (const path of worked)
    expect(path).toMatch(/^\/some\/where\/(|favicon\.svg|(assets|pictures|registry|tracks)\/.+)$/);

  expect(await open(page, origin + PATH)).toBe(1);
  expect(await isIsolated(page)).toBe(true);

  // Reloaded past the worker, as with the shift key.
  await page.evaluate(() => document.documentElement.setAttribute("data-before", ""));
  const session = await page.context().newCDPSession(page);
  await session.send("Page.reload", { ignoreCache: true });
  await expect(page.locator("html[data-before]")).toHaveCount(0);
  await expect(root).toHaveAttribute("data-backend", /wasm|cpu/, SLOW);
  expect(await isIsolated(page)).toBe(true);
});

for (const [what, script] of [
  ["adds nothing", ""],
  ["cannot start", "throw new Error('no');"],
  ["is not there", null],
] as const) {
  test(`goes on with one thread where the worker ${what}`, async ({ page }) => {
    const copy = join(folder, "copy");
    await cp(join(folder, PATH), copy, { recursive: true });
    if (script === null) await rm(join(copy, "service-worker.js"));
    else await writeFile(join(copy, "service-worker.js"), script);
    expect(await open(page, `${origin}/copy/`)).toBe(script === "" ? 2 : 1);
    expect(await isIsolated(page)).toBe(false);
    await expect(page.locator("html")).toHaveAttribute("data-threads", "1");
    await rm(copy, { recursive: true });
    // The browser itself reports the missing script.
    expect(problems.every((problem) => script !== "" && /404|service.worker/i.test(problem))).toBe(true);
    problems.length = 0;
  });
}

test("a page that is served with the headers is not reloaded for the worker", async ({ page, baseURL }) => {
  expect(await open(page, baseURL!)).toBe(1);
  expect(await isIsolated(page)).toBe(true);
  const served = await page.request.get("./service-worker.js");
  expect(await served.text()).toBe(await readFile(join(folder, PATH, "service-worker.js"), "utf8"));
});
