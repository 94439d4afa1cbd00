/** The page after its server is gone for good: a server of our own, which is ended. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test, type Locator, type Page } from "@playwright/test";
import { COARSE } from "./pages";

const SLOW = { timeout: 60_000 };

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const python = process.env.TFDEEPVIZ_PYTHON ?? join(repository, ".venv/bin/python");

// Software draws the picture where tests run: a small one leaves the processor to what is tested.
test.use({ viewport: { width: 800, height: 520 }, ...COARSE, serviceWorkers: "allow" });

let server: ChildProcess;
let origin: string;

test.beforeEach(async () => {
  const options = ["static", "registry", "tracks"].flatMap((name) => {
    const value = process.env[`TFDEEPVIZ_${name.toUpperCase()}`];
    return value === undefined ? [] : [`--${name}`, value];
  });
  server = spawn(python, ["-u", "-m", "webapp.server", "--port", "0", ...options], {
    cwd: repository,
    stdio: ["ignore", "pipe", "ignore"],
  });
  origin = "";
  for await (const line of createInterface({ input: server.stdout! })) {
    origin = /http:\/\/[\d.:]+\//.exec(line)?.[0] ?? "";
    break;
  }
  expect(origin).not.toBe("");
});

test.afterEach(() => endServer());

async function endServer(): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill("SIGKILL");
  await once(server, "exit");
}

const root = (page: Page): Locator => page.locator("html");

async function waitUntilReady(page: Page): Promise<void> {
  await expect(root(page)).toHaveAttribute("data-backend", /wasm|cpu/, SLOW);
}

/** Paths of everything that is kept, below the page. */
const kept = (page: Page): Promise<readonly string[]> =>
  page.evaluate(async () => {
    const requests = await Promise.all(
      (await caches.keys()).map(async (name) => (await caches.open(name)).keys()),
    );
    return requests.flat().map(({ url }) => url.replace(document.baseURI.replace(/\?.*/, ""), ""));
  });

test("after one visit, the page, its model and the track that was heard are there without network", async ({
  page,
}) => {
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  await page.addInitScript(() => localStorage.setItem("tfdeepviz.note", "yes"));
  await page.goto(origin);
  await waitUntilReady(page);
  const backend = await root(page).getAttribute("data-backend");
  await page.locator(".demo").first().click();
  await expect(root(page)).toHaveAttribute("data-state", "playing", SLOW);
  await expect.poll(() => kept(page), SLOW).toContainEqual(expect.stringMatching(/^tracks\/.*\.mp3$/));
  const all = await kept(page);
  for (const path of ["", "registry/index.json", "tracks/index.json"]) expect(all).toContain(path);
  expect(all).toContainEqual(expect.stringMatching(/^registry\/.*manifest\.json$/));
  const song = all.find((path) => path.endsWith(".mp3"))!;

  await endServer();
  await page.goto(`${origin}?visual=bar`);
  await waitUntilReady(page);
  // As with the server: isolated, on the same backend.
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  expect(await root(page).getAttribute("data-backend")).toBe(backend);
  await page.locator(".demo").first().click();
  await expect(root(page)).toHaveAttribute("data-state", "playing", SLOW);
  const seekBar = page.getByRole("slider", { name: "Position in the track" });
  await expect.poll(async () => Number(await seekBar.inputValue()), SLOW).toBeGreaterThan(0.5);

  // The browser's own player asks for ranges, and jumps in what is kept whole.
  const jumped = await page.evaluate(async (song) => {
    const audio = new Audio(song);
    await new Promise((resolve, reject) => {
      audio.onloadedmetadata = resolve;
      audio.onerror = reject;
    });
    audio.currentTime = 20;
    await new Promise((resolve) => (audio.onseeked = resolve));
    return audio.currentTime;
  }, song);
  expect(jumped).toBeCloseTo(20, 1);
  const part = await page.evaluate(async (song) => {
    const response = await fetch(song, { headers: { Range: "bytes=100-199" } });
    return [response.status, response.headers.get("Content-Range"), (await response.blob()).size];
  }, song);
  expect(part).toEqual([206, expect.stringMatching(/^bytes 100-199\/\d+$/), 100]);

  // What was not kept is missed in words.
  await page.goto(`${origin}?visual=bar`);
  await waitUntilReady(page);
  await page.locator(".demo").nth(1).click();
  await expect(page.locator(".notice")).toContainText("the server cannot be reached", SLOW);
  await page.goto(`${origin}check/`);
  await expect(page.locator("body")).toContainText("needs the network");
  expect(problems).toEqual([]);
});
