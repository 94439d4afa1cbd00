/**
 * How long the browser takes for one track, from file bytes to encodings.
 *
 *     TFDEEPVIZ_BENCH_AUDIO=track.mp3 npm run bench -- [--json] [--threads 1] [--bundle ae-shared/1]
 *
 * Builds the e2e harness, serves it by webapp.server (registry: TFDEEPVIZ_REGISTRY or the shipped one) and drives
 * Chromium. Three runs on a warm model; the median of each figure is printed. `total_ms` is from the file's bytes to
 * the last encoding of all encoders, `first_block_ms` to the first ones; `start_ms` (model download, backend,
 * self-test) is apart.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { build } from "vite";

const RUNS = 3;
const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    threads: { type: "string" },
    bundle: { type: "string" },
  },
});
const audioPath = process.env.TFDEEPVIZ_BENCH_AUDIO;
if (audioPath === undefined) {
  console.error("error: set TFDEEPVIZ_BENCH_AUDIO to an audio file");
  process.exit(2);
}
const audio = await readFile(audioPath);
const configFile = fileURLToPath(new URL("../vite.harness.config.ts", import.meta.url));
const harnessDir = fileURLToPath(new URL("../node_modules/.cache/tfdeepviz-harness", import.meta.url));
await build({ configFile, logLevel: "error" });

const server = spawn(
  process.env.TFDEEPVIZ_PYTHON ?? fileURLToPath(new URL("../../../.venv/bin/python", import.meta.url)),
  [
    ...["-m", "webapp.server", "--port", "0", "--static", harnessDir],
    ...(process.env.TFDEEPVIZ_REGISTRY === undefined ? [] : ["--registry", process.env.TFDEEPVIZ_REGISTRY]),
  ],
  { cwd: fileURLToPath(new URL("../../..", import.meta.url)), stdio: ["ignore", "pipe", "inherit"] },
);
let browser;
try {
  const [line] = await once(createInterface(server.stdout), "line");
  const origin = /http:\S+(?=\/)/.exec(line)[0];
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
  });
  const page = await browser.newPage();
  await page.route(`${origin}/bench-audio`, (route) =>
    route.fulfill({ body: audio, contentType: "application/octet-stream" }),
  );
  await page.goto(`${origin}/`);
  await page.waitForFunction(() => "analysisHarness" in window);
  const result = await page.evaluate(measure, {
    runs: RUNS,
    threads: options.threads === undefined ? null : Number(options.threads),
    bundle: options.bundle ?? null,
  });
  if (options.json) console.log(JSON.stringify(result));
  else for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(20)} ${value}`);
} finally {
  await browser?.close();
  server.kill();
}

/** Runs in the page. */
async function measure({ runs, threads, bundle }) {
  const { AnalysisClient, analyzeAll, decodeTrack, loadRegistry } = window.analysisHarness;
  const bundleUrl = bundle ? `/registry/${bundle}/` : (await loadRegistry("/registry/")).bundles[0].latestUrl;
  const bytes = await (await fetch("/bench-audio")).arrayBuffer();
  const started = performance.now();
  const client = await AnalysisClient.start(
    bundleUrl,
    undefined,
    threads === null ? {} : { maxThreads: threads },
  );
  const start_ms = performance.now() - started;
  const rows = [];
  let encodings;
  let durationSeconds;
  for (let run = 0; run < runs; run++) {
    const begin = performance.now();
    const track = await decodeTrack(bytes.slice(0), { sampleRateHz: client.bundle.audio.sampleRateHz });
    const decoded = performance.now();
    let first;
    encodings = await analyzeAll(client, track.pcm, () => (first ??= performance.now()));
    const end = performance.now();
    durationSeconds = track.durationSeconds;
    rows.push({
      decode_ms: decoded - begin,
      frontend_ms: client.times.frontendMs,
      encoder_ms: client.times.encoderMs,
      analysis_ms: end - decoded,
      total_ms: end - begin,
      first_block_ms: first - decoded,
    });
  }
  const { backend } = client;
  const median = (name) => rows.map((row) => row[name]).sort((a, b) => a - b)[Math.floor(runs / 2)];
  const round = (value) => Math.round(value * 10) / 10;
  return {
    ...Object.fromEntries(Object.keys(rows[0]).map((name) => [name, round(median(name))])),
    start_ms: round(start_ms),
    backend: backend.simd ? `${backend.name}-simd` : backend.name,
    threads: backend.threads,
    rejected: backend.rejected,
    bundle: `${client.bundle.name}/${client.bundle.version}`,
    encoders: client.bundle.encoders
      .map(
        ({ name, encodingSize, stepSeconds }) =>
          `${name}: ${encodings[name].length / encodingSize} every ${stepSeconds} s`,
      )
      .join(", "),
    audio_seconds: durationSeconds,
  };
}
