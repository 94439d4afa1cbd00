/**
 * What a bundle costs in the browser, beside Python on the same clip in the same run: `make bench`.
 *
 *     node benchmarks/browser.mjs [--bundle NAME[/VERSION]]... [--backends wasm,webgl,webgpu] [--track song.mp3]
 *                                 [--hop-seconds 0.1]... [--registry DIR] [--json FILE]
 *
 * Chromium opens the built pages (`npm run build`) from webapp.server with an empty cache: the check page
 * (webapp/frontend/src/check), which measures, and the playground, for what a visitor downloads before there is any
 * music. A second of audio costs what lies between its samples and the last encoding of all encoders; decoding, which
 * the browser does in its own threads, is apart. Machines are noisy: compare the ratios.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { basename, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { gzipSync } from "node:zlib";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const { chromium } = createRequire(join(ROOT, "webapp/frontend/package.json"))("playwright-core");

const SONG_SECONDS = 240;
const [FINE_HOP, PLAIN_HOP] = [0.1, 0.96];
/** A graphics card that the processor plays takes minutes. */
const TIMEOUT_MS = 15 * 60_000;

const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
  // Where there is no graphics card, the processor plays one.
  "--enable-unsafe-swiftshader",
  "--enable-unsafe-webgpu",
  "--enable-features=Vulkan",
  // Otherwise memory is measured when garbage happens to be collected, which takes up to 20 s.
  "--enable-blink-features=ForceEagerMeasureMemory",
];

async function main() {
  const { values: options } = parseArgs({
    options: {
      bundle: { type: "string", multiple: true, default: [] },
      backends: { type: "string", default: "wasm" },
      track: {
        type: "string",
        default: join(ROOT, "webapp/tracks/electronic.mp3"),
      },
      "hop-seconds": {
        type: "string",
        multiple: true,
        default: [String(FINE_HOP), String(PLAIN_HOP)],
      },
      registry: { type: "string", default: join(ROOT, "webapp/registry") },
      json: { type: "string" },
    },
  });
  const registry = resolve(options.registry);
  const track = resolve(options.track);
  const hops = options["hop-seconds"];
  const index = JSON.parse(await readFile(join(registry, "index.json"), "utf8")).bundles;
  const bundles = (options.bundle.length > 0 ? options.bundle : index.map(({ name }) => name)).map(
    (asked) => {
      const [name, version] = asked.split("/");
      const entry = index.find((candidate) => candidate.name === name);
      if (entry === undefined) throw new Error(`--bundle ${asked}: ${registry} has no ${name}`);
      return `${name}/${version ?? entry.latest}`;
    },
  );
  const standard = `${index[0].name}/${index[0].latest}`;

  const server = spawn(python(), ["-m", "webapp.server", "--port", "0", "--registry", registry], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let browser;
  try {
    const [line] = await Promise.race([
      once(createInterface(server.stdout), "line"),
      once(server, "exit").then(([code]) =>
        Promise.reject(new Error(`webapp.server ended with status ${code}`)),
      ),
    ]);
    const origin = /http:\S+(?=\/)/.exec(line)[0];
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: CHROMIUM_FLAGS,
    });
    const page = await downloadOfPlayground(browser, origin);
    const results = [];
    for (const bundle of bundles) {
      // In turn, not at once: two cores would only measure each other.
      const ours = await pythonTimes(join(registry, bundle), track, hops);
      const { report, download } = await check(browser, origin, {
        bundle,
        backends: options.backends,
        track: await readFile(track),
        hops,
      });
      results.push({
        bundle,
        python: ours,
        download,
        backends: report.backends,
      });
      console.error(
        `${bundle}: ${report.backends.map(({ name, status }) => `${name} ${status}`).join(", ")}`,
      );
    }
    const result = {
      track: basename(track),
      audio_seconds: results[0].python.audio_seconds,
      cores: availableParallelism(),
      browser: `Chromium ${browser.version()}`,
      standard,
      page,
      bundles: results,
    };
    print(result);
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await browser?.close();
    server.kill();
  }
}

function python() {
  return process.env.TFDEEPVIZ_PYTHON ?? join(ROOT, ".venv/bin/python");
}

async function pythonTimes(bundle, track, hops) {
  const options = ["--bundle", bundle, "--track", track, ...hops.flatMap((hop) => ["--hop-seconds", hop])];
  const command = ["-m", "benchmarks.analysis", "--json", ...options];
  const { stdout } = await promisify(execFile)(python(), command, {
    cwd: ROOT,
  });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** A page of its own without anything in its cache, and what it asked the server for. */
async function openPage(browser, origin) {
  const context = await browser.newContext();
  const paths = new Set();
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin === origin) paths.add(url.pathname);
  });
  return { context, page: await context.newPage(), paths };
}

/** The check page on one bundle: its report, and what was downloaded of the bundle. */
async function check(browser, origin, { bundle, backends, track, hops }) {
  const reports = [];
  let download;
  // A context for each, so that none finds in the cache what another has downloaded.
  for (const backend of backends.split(",")) {
    const { context, page, paths } = await openPage(browser, origin);
    await page.route(`${origin}/bench-audio`, (route) => route.fulfill({ body: track }));
    const query = new URLSearchParams({
      bundle: `/registry/${bundle}/`,
      backends: backend,
      audio: "/bench-audio",
      hops: hops.join(","),
    });
    await page.goto(`${origin}/check/index.html?${query}`);
    await page.waitForSelector('html[data-state="done"]', {
      timeout: TIMEOUT_MS,
    });
    const text = await page.locator("#report").textContent({ timeout: 1_000 });
    reports.push(JSON.parse(text));
    download ??= await sizes(
      origin,
      [...paths].filter((path) => path.startsWith("/registry/")),
    );
    await context.close();
  }
  return {
    report: {
      ...reports[0],
      backends: reports.flatMap((report) => report.backends),
    },
    download,
  };
}

/** What the playground downloads until it waits for music, without the bundle. */
async function downloadOfPlayground(browser, origin) {
  const { context, page, paths } = await openPage(browser, origin);
  await page.goto(`${origin}/`);
  await page.waitForSelector("html[data-backend]", { timeout: 60_000 });
  await page.waitForLoadState("networkidle");
  await context.close();
  const isOfBundle = (path) => /^\/registry\/.+\//.test(path);
  return sizes(
    origin,
    [...paths].filter((path) => !isOfBundle(path)),
  );
}

/** Bytes of these files, as they are and as a server that compresses would send them. */
async function sizes(origin, paths) {
  const files = await Promise.all(
    paths.map(async (path) => {
      const response = await fetch(origin + path);
      if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
      const body = Buffer.from(await response.arrayBuffer());
      return {
        path,
        bytes: body.length,
        gzip_bytes: Math.min(body.length, gzipSync(body).length),
      };
    }),
  );
  const sum = (name) => files.reduce((total, file) => total + file[name], 0);
  return { bytes: sum("bytes"), gzip_bytes: sum("gzip_bytes"), files };
}

const at = (times, hop) =>
  times.at_hops.find(({ hop_seconds }) => hop_seconds === hop)?.ms_per_second ?? null;
const fixed = (value, digits = 0) => (value === null || value === undefined ? "-" : value.toFixed(digits));

function print({ track, audio_seconds, cores, browser, standard, page, bundles }) {
  console.log(`${track} (${fixed(audio_seconds, 1)} s), ${cores} cores, ${browser}`);
  console.log(
    `page and engine: ${fixed(page.bytes / 1e6, 2)} MB, compressed ${fixed(page.gzip_bytes / 1e6, 2)} MB`,
  );
  console.log("MB: the bundle, compressed. x: times Python. Warm, medians; ms/s: for a second of audio.\n");
  const hops = bundles[0].python.at_hops.map(({ hop_seconds }) => hop_seconds);
  const rows = [
    [
      ...["bundle", "on", "MB", "load ms", "first ms", "cold ms", "own step ms/s", "x"],
      ...hops.flatMap((hop) => [`${hop} s ms/s`, "x", "4 min in s"]),
      "peak MB",
    ],
  ];
  const timed = (times, ours) => {
    const pair = (ms, base) => [fixed(ms, 1), ms === null ? "-" : fixed(ms / base, 2)];
    return [
      ...pair(times.ms_per_second, ours.ms_per_second),
      ...hops.flatMap((hop) => {
        const ms = at(times, hop);
        return [...pair(ms, at(ours, hop)), fixed(ms === null ? null : (ms * SONG_SECONDS) / 1000, 1)];
      }),
    ];
  };
  for (const { bundle, python: ours, download, backends } of bundles) {
    const peak = (bytes) => fixed(bytes === null ? null : bytes / 1e6);
    rows.push([
      bundle,
      "Python",
      "",
      fixed(ours.load_ms),
      "",
      "",
      ...timed(ours, ours),
      peak(ours.peak_bytes),
    ]);
    for (const backend of backends) {
      const { name, simd, threads, status } = backend;
      const what = name === "wasm" && status === "ok" ? `wasm${simd ? "-simd" : ""} x${threads}` : name;
      if (status !== "ok") {
        rows.push([bundle, `${what}: ${status}`]);
        continue;
      }
      const { load_ms, first_result_ms, cold_first_result_ms } = backend;
      const waits = [load_ms, first_result_ms, cold_first_result_ms].map((value) => fixed(value));
      rows.push([
        ...[bundle, what, fixed(download.gzip_bytes / 1e6, 2), ...waits],
        ...timed(backend, ours),
        peak(backend.peak_bytes),
      ]);
    }
  }
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  for (const row of rows) {
    const cells = row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])));
    console.log(cells.join("  ").trimEnd());
  }
  for (const { bundle, backends } of bundles) {
    for (const { name, reason } of backends) if (reason !== "") console.log(`${bundle}, ${name}: ${reason}`);
  }
  printTargets(
    bundles.find(({ bundle }) => bundle === standard),
    page,
  );
}

/** What the default bundle has to keep on WASM. */
function printTargets(result, page) {
  const wasm = result?.backends.find(({ name, status }) => name === "wasm" && status === "ok");
  if (wasm === undefined) return; // not asked for
  const song = (hop) => {
    const ms = at(wasm, hop);
    return ms === null ? null : (ms * SONG_SECONDS) / 1000;
  };
  const megabytes = (page.gzip_bytes + result.download.gzip_bytes) / 1e6;
  console.log(`\ntargets for ${result.bundle} on WASM`);
  for (const [what, value, limit, unit] of [
    ["a song of 4 minutes at 10 encodings a second", song(FINE_HOP), 12, "s"],
    ["a song of 4 minutes at the plain hop", song(PLAIN_HOP), 3, "s"],
    ["first result, warm", wasm.first_result_ms, 300, "ms"],
    ["page, engine and bundle, compressed", megabytes, 3.5, "MB"],
  ]) {
    if (value === null) continue; // that step was not asked for
    const verdict = value <= limit ? "met" : "MISSED";
    console.log(
      `  ${what.padEnd(46)} ${fixed(value, 2).padStart(7)} ${unit.padEnd(2)}  <= ${limit} ${unit}: ${verdict}`,
    );
  }
}

main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 2;
});
