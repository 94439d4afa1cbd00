/** The check page as `tfdeepviz validate` and people open it: every backend that Chromium has here, against the goldens. */
import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Page } from "@playwright/test";
import { loadRegistry } from "../src/bundle";
import type { Report } from "../src/check/report";

test.use({
  viewport: { width: 360, height: 740 },
  launchOptions: {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      ...["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
      ...["--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
      ...["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"],
      "--enable-blink-features=ForceEagerMeasureMemory",
    ],
  },
});
// A graphics card that the processor plays.
test.describe.configure({ timeout: 240_000 });

const problems: string[] = [];

test.beforeEach(({ page }) => {
  problems.length = 0;
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
});

/** The smallest bundle that ships. */
async function bundleUrl(baseURL: string | undefined): Promise<string> {
  const { bundles } = await loadRegistry(`${baseURL ?? ""}/registry/`);
  const entry = bundles.find(({ name }) => name === "ae-time") ?? bundles[0];
  return new URL(entry!.latestUrl).pathname;
}

async function check(page: Page, query: Record<string, string>): Promise<Report> {
  await page.goto(`check/index.html?${new URLSearchParams(query).toString()}`);
  await expect(page.locator("html")).toHaveAttribute("data-state", "done", { timeout: 200_000 });
  return JSON.parse((await page.locator("#report").textContent())!) as Report;
}

test(
  "every backend computes what Python did, and the page says so",
  { tag: "@slow" },
  async ({ page, baseURL }) => {
    const bundle = await bundleUrl(baseURL);
    const posted: unknown[] = [];
    await page.route("**/report", async (route) => {
      expect(route.request().method()).toBe("POST");
      posted.push(route.request().postDataJSON());
      await route.fulfill({ status: 204 });
    });
    const report = await check(page, { bundle, report: "/report", hops: "0.1" });
    expect(posted).toEqual([report]);
    expect(report.isolated).toBe(true);
    expect(report.cores).toBe(await page.evaluate(() => navigator.hardwareConcurrency));
    expect(report.bundle).toMatch(/^[a-z0-9-]+\/\d+$/);
    expect(report.audio_seconds).toBe(10);
    expect(report.backends.map(({ name }) => name)).toEqual(["wasm", "webgl", "webgpu"]);
    for (const backend of report.backends) {
      test.info().annotations.push({ type: backend.name, description: JSON.stringify(backend) });
      if (backend.name === "webgpu" && backend.status === "unsupported") continue; // not in every Chromium
      expect(backend.status, backend.reason).toBe("ok");
      expect(backend.reason).toBe("");
      expect(backend.download_bytes).toBeGreaterThan(100_000);
      expect(backend.ms_per_second).toBeGreaterThan(0);
      expect(backend.first_result_ms).toBeGreaterThan(0);
      expect(backend.cold_first_result_ms).toBeGreaterThan(backend.first_result_ms!);
      expect(backend.at_hops).toEqual([{ hop_seconds: 0.1, ms_per_second: expect.any(Number) as unknown }]);
      expect(backend.peak_bytes).toBeGreaterThan(backend.backend_bytes!);
      const section = page.getByRole("region", {
        name: new RegExp(`^${backend.name === "wasm" ? "WebAssembly" : backend.name}: passed$`, "i"),
      });
      const stages =
        2 +
        Object.keys(backend.differences!.encodings).length +
        Object.keys(backend.differences!.genres).length +
        Object.keys(backend.differences!.tags).length;
      await expect(section.getByRole("cell", { name: "pass", exact: true })).toHaveCount(stages);
      await expect(section.getByRole("cell", { name: "fail", exact: true })).toHaveCount(0);
    }
    const wasm = report.backends[0]!;
    expect(wasm).toMatchObject({ simd: true, threads: Math.max(1, Math.min(4, report.cores - 1)) });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
    expect(problems).toEqual([]);
  },
);

/** Let something run in every worker of the page before its own script. */
async function inWorkers(page: Page, script: string): Promise<void> {
  await page.context().route("**/assets/worker-*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${script};\n${await response.text()}` });
  });
}

test("a backend that is not there is unsupported, never another one", async ({ page, baseURL }) => {
  await inWorkers(
    page,
    "OffscreenCanvas.prototype.getContext = () => null; delete WorkerNavigator.prototype.gpu",
  );
  const { backends } = await check(page, { bundle: await bundleUrl(baseURL), backends: "webgl,webgpu" });
  expect(
    backends.map(({ name, status, reason, differences }) => [name, status, reason, differences]),
  ).toEqual([
    ["webgl", "unsupported", "WebGL: the browser gives no WebGL context", null],
    ["webgpu", "unsupported", "WebGPU: the browser has no WebGPU here", null],
  ]);
  await expect(page.getByRole("heading", { name: "WebGL: not here" })).toBeVisible();
});

test("half precision does not pass for a backend", async ({ page, baseURL }) => {
  await inWorkers(
    page,
    `for (const { prototype } of [WebGLRenderingContext, WebGL2RenderingContext]) {
       const getExtension = prototype.getExtension;
       prototype.getExtension = function (name) {
         return name === "EXT_color_buffer_float" ? null : getExtension.call(this, name);
       };
     }`,
  );
  const { backends } = await check(page, { bundle: await bundleUrl(baseURL), backends: "webgl" });
  expect(backends).toMatchObject([
    {
      status: "unsupported",
      reason: "WebGL: the device has no float32 textures, only half precision",
      ms_per_second: null,
    },
  ]);
});

test("numbers that are off fail, with their stage", async ({ page, baseURL }) => {
  // Without hashes, as in pages that are not secure, changed goldens are not noticed before they are compared.
  const withoutHashes = "Object.defineProperty(crypto, 'subtle', { value: undefined })";
  await inWorkers(page, withoutHashes);
  await page.addInitScript(withoutHashes);
  await page.context().route("**/goldens/mfcc.bin", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: Buffer.alloc((await response.body()).length) });
  });
  const report = await check(page, { bundle: await bundleUrl(baseURL), backends: "wasm" });
  expect(report.backends[0]).toMatchObject({ name: "wasm", status: "failed", ms_per_second: null });
  expect(report.backends[0]!.reason).toMatch(/^WASM SIMD.*: off by \S+ in MFCC, /);
  expect(report.backends[0]!.differences!.mfcc).toBeGreaterThan(1);
  await expect(page.getByRole("heading", { name: "WebAssembly: failed" })).toBeVisible();
  await expect(page.getByRole("row", { name: /^MFCC/ }).getByRole("cell").last()).toHaveText("fail");
  await expect(
    page
      .getByRole("row", { name: /^Encodings/ })
      .getByRole("cell")
      .last(),
  ).toHaveText("pass");
});

test("says what is wrong with a bundle, an address, a track", async ({ page, baseURL }) => {
  const bundle = await bundleUrl(baseURL);
  const missing = await check(page, { bundle: "/registry/none/1/", backends: "wasm,webgl" });
  expect(missing.backends.map(({ status }) => status)).toEqual(["failed", "failed"]);
  expect(missing.backends[0]!.reason).toContain("manifest.json");
  const silent = await check(page, { bundle, backends: "wasm", audio: "/tracks/none.mp3" });
  expect(silent.backends[0]!.reason).toContain("HTTP 404");
  await page.goto("check/index.html?bundle=/x/&backends=cuda");
  await expect(page.getByRole("alert")).toHaveText('backends: "cuda" is none of wasm, webgl, webgpu.');
});

test("analyses a track, and offers what there is when nothing was asked for", async ({ page, baseURL }) => {
  await page.goto("check/index.html");
  await expect(page.getByRole("navigation", { name: "Bundles" }).getByRole("link").first()).toBeVisible();
  const report = await check(page, {
    bundle: await bundleUrl(baseURL),
    backends: "wasm",
    audio: "/tracks/rock.mp3",
  });
  expect(report.audio_seconds).toBeGreaterThan(20);
  expect(report.backends[0]!.status).toBe("ok");
  expect(problems).toEqual([]);
});
