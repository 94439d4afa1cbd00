/**
 * Real Chromium, real WASM, through the real server: every bundle of the registry gives what Python computed.
 * Needs `npm run build` (for /lib) and a registry with at least one bundle (TFDEEPVIZ_REGISTRY, or the shipped one).
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test, type Page } from "@playwright/test";
import type * as Library from "../src/lib";

/** Page origin -> harness origin: the next port (playwright.config.ts). */
function harnessOrigin(baseURL: string | undefined): string {
  const url = new URL(baseURL ?? "");
  url.port = String(Number(url.port) + 1);
  return url.origin;
}

async function openHarness(page: Page, baseURL: string | undefined): Promise<void> {
  await page.goto(`${harnessOrigin(baseURL)}/`);
  await page.waitForFunction(() => "analysisHarness" in window);
}

/** Addresses of the newest version of every bundle. */
async function bundleUrls(page: Page): Promise<string[]> {
  const urls = await page.evaluate(async () => {
    const registry = await window.analysisHarness.loadRegistry("/registry/");
    return registry.bundles.map(({ latestUrl }) => latestUrl);
  });
  expect(urls.length, "the registry holds no bundle").toBeGreaterThan(0);
  return urls;
}

let violations: string[];

test.beforeEach(({ page }) => {
  violations = [];
  page.on("console", (message) => {
    if (message.type() === "error") violations.push(message.text());
  });
  page.on("pageerror", (error) => violations.push(String(error)));
});

test("the worker computes what Python computed, on WASM with SIMD", async ({ page, baseURL }) => {
  await openHarness(page, baseURL);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  const cores = await page.evaluate(() => navigator.hardwareConcurrency);
  for (const url of await bundleUrls(page)) {
    const result = await page.evaluate(async (bundleUrl) => {
      const { AnalysisClient, allowedBy, analyzeAll, largestDifference, parametersOf, readGolden } =
        window.analysisHarness;
      const seen: [number, string][] = [];
      const client = await AnalysisClient.start(bundleUrl, (fraction, what) => seen.push([fraction, what]));
      const { bundle, backend } = client;
      const { stages, tolerance } = bundle.goldens;
      const pcm = await readGolden(bundle, stages.pcm);
      const told: Record<"genres" | "tags", Record<string, number[]>> = { genres: {}, tags: {} };
      const kinds = ["genres", "tags"] as const;
      const encodings = await analyzeAll(client, pcm, (block) => {
        for (const what of kinds) {
          const size = (block[what]?.length ?? 0) / block.count;
          block[what]?.forEach(
            (value, i) => ((told[what][block.encoder] ??= [])[block.first * size + i] = value),
          );
        }
      });
      const parameters = parametersOf(bundle, encodings, pcm.length);
      client.dispose();
      const compare = async (
        given: Readonly<Record<string, ArrayLike<number>>>,
        goldens: typeof bundle.goldens.encodings,
      ) => {
        const differences: Record<string, number> = {};
        for (const [name, stage] of Object.entries(goldens)) {
          differences[name] = largestDifference(given[name] ?? [], await readGolden(bundle, stage));
        }
        return differences;
      };
      return {
        backend,
        seen,
        tolerance,
        allowed: await allowedBy(bundle),
        names: bundle.encoders.map(({ name }) => name),
        telling: {
          genres: bundle.encoders.filter(({ genres }) => genres).map(({ name }) => name),
          tags: bundle.encoders.filter(({ tags }) => tags).map(({ name }) => name),
        },
        encodings: await compare(encodings, bundle.goldens.encodings),
        genres: await compare(told.genres, bundle.goldens.genres),
        tags: await compare(told.tags, bundle.goldens.tags),
        unexpected: kinds.flatMap((what) =>
          Object.keys(told[what]).filter((name) => !(name in bundle.goldens[what])),
        ),
        parameters: largestDifference(parameters, await readGolden(bundle, stages.parameters)),
      };
    }, url);
    expect(result.backend.name).toBe("wasm");
    expect(result.backend.simd).toBe(true);
    expect(result.backend.rejected).toEqual([]);
    // One core is left to the page.
    expect(result.backend.threads).toBe(Math.max(1, Math.min(4, cores - 1)));
    expect(result.backend.selfTest.mfcc).toBeLessThanOrEqual(result.tolerance.mfcc);
    for (const found of [result.backend.selfTest, result]) {
      expect(Object.keys(found.encodings).sort()).toEqual(result.names.toSorted());
      for (const [name, difference] of Object.entries(found.encodings)) {
        expect(difference, name).toBeLessThanOrEqual(result.allowed.encodings[name]!);
      }
      for (const what of ["genres", "tags"] as const) {
        expect(Object.keys(found[what]).sort()).toEqual(result.telling[what].toSorted());
        for (const [name, difference] of Object.entries(found[what])) {
          expect(difference, `${what} of ${name}`).toBeLessThanOrEqual(result.tolerance.genres);
        }
      }
    }
    expect(result.unexpected).toEqual([]);
    expect(result.parameters).toBeLessThanOrEqual(result.allowed.parameters);
    expect(result.seen.at(-1)?.[0]).toBe(1);
    test.info().annotations.push({ type: url, description: JSON.stringify(result.backend) });
  }
  expect(violations).toEqual([]);
});

test("blocks, order of analysis and threads do not change the numbers", async ({ page, baseURL }) => {
  await openHarness(page, baseURL);
  const [url] = await bundleUrls(page);
  const result = await page.evaluate(async (bundleUrl) => {
    const { AnalysisClient, analyzeAll, largestDifference, readGolden } = window.analysisHarness;
    const one = await AnalysisClient.start(bundleUrl, undefined, { maxThreads: 1 });
    const many = await AnalysisClient.start(bundleUrl, undefined, { maxThreads: 2 });
    const golden = await readGolden(one.bundle, one.bundle.goldens.stages.pcm);
    const pcm = new Float32Array(golden.length * 10);
    for (let i = 0; i < 10; i++) pcm.set(golden, i * golden.length);
    const forward = await analyzeAll(one, pcm);
    const name = one.bundle.encoders[0]?.name;
    const firsts: number[] = [];
    const jumping = await analyzeAll(many, pcm, (block) => {
      if (block.encoder !== name) return;
      firsts.push(block.first);
      if (firsts.length === 1) many.focus(12);
    });
    const threads = [one.backend.threads, many.backend.threads];
    one.dispose();
    many.dispose();
    const differences = one.bundle.encoders.map((encoder) =>
      largestDifference(forward[encoder.name] ?? [NaN], jumping[encoder.name] ?? []),
    );
    return { threads, firsts, differences };
  }, url!);
  expect(result.threads).toEqual([1, 2]);
  expect(result.firsts).not.toEqual(result.firsts.toSorted((a, b) => a - b));
  for (const difference of result.differences) expect(difference).toBeLessThan(1e-4);
});

test("an analysis ends when it is aborted, replaced or disposed of", async ({ page, baseURL }) => {
  await openHarness(page, baseURL);
  const [url] = await bundleUrls(page);
  const result = await page.evaluate(async (bundleUrl) => {
    const client = await window.analysisHarness.AnalysisClient.start(bundleUrl);
    const nameOf = (promise: Promise<void>) =>
      promise.then(
        () => "done",
        (error: unknown) => (error as Error).name,
      );
    const rate = client.bundle.audio.sampleRateHz;
    const silence = (seconds: number) => ({ samples: new Float32Array(seconds * rate), sampleRateHz: rate });
    const pcm = silence(60);
    const abort = new AbortController();
    let blocks = 0;
    const aborted = nameOf(
      client.analyze(pcm, {
        signal: abort.signal,
        onBlock: () => {
          blocks++;
          abort.abort();
        },
      }),
    );
    const first = await aborted;
    const replaced = nameOf(client.analyze(pcm, { onBlock: () => undefined }));
    const finished = nameOf(client.analyze(silence(2), { onBlock: () => undefined }));
    const short = nameOf(client.analyze(silence(100 / rate), { onBlock: () => undefined }));
    const names = [first, await replaced, await finished, await short];
    const again = await nameOf(client.analyze(silence(2), { onBlock: () => undefined }));
    const disposed = nameOf(client.analyze(pcm, { onBlock: () => undefined }));
    client.dispose();
    return { blocks, names, again, disposed: await disposed };
  }, url!);
  expect(result.blocks).toBe(1);
  expect(result.names).toEqual(["AbortError", "AbortError", "AbortError", "TrackTooShortError"]);
  expect(result.again).toBe("done");
  expect(result.disposed).toBe("AbortError");
});

test("no tensor outlives its block", async ({ page, baseURL }) => {
  await openHarness(page, baseURL);
  for (const url of await bundleUrls(page)) {
    const counts = await page.evaluate((bundleUrl) => window.analysisHarness.countTensors(bundleUrl, 4), url);
    const disposed = counts.pop();
    expect(new Set(counts).size, counts.join()).toBe(1);
    expect(disposed).toBe(0);
  }
});

test("a damaged file is refused", async ({ page, baseURL }) => {
  const origin = harnessOrigin(baseURL);
  await openHarness(page, baseURL);
  const [url] = await bundleUrls(page);
  const start = () =>
    page.evaluate(
      (bundleUrl) =>
        window.analysisHarness.AnalysisClient.start(bundleUrl).then(
          () => null,
          (error: unknown) => {
            const { name, message, field } = error as Error & { field?: string };
            return { name, message, field };
          },
        ),
      url!,
    );
  const context = page.context();
  await context.route(`${origin}/registry/**/encoders/**/*.bin`, async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    body[100] = (body[100] ?? 0) ^ 1; // one bit
    await route.fulfill({ response, body });
  });
  const flipped = await start();
  expect(flipped?.name).toBe("BundleError");
  expect(flipped?.field).toMatch(/^encoders\/.*\.bin$/);
  expect(flipped?.message).toContain("SHA-256");
  await context.unrouteAll({ behavior: "wait" });

  await context.route(`${origin}/registry/frontends/**/*.bin`, async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    body[100] = (body[100] ?? 0) ^ 1;
    await route.fulfill({ response, body });
  });
  expect((await start())?.field).toMatch(/^\.\.\/\.\.\/frontends\/[0-9a-f]{64}\/.*\.bin$/);
  await context.unrouteAll({ behavior: "wait" });

  await context.route(`${origin}/registry/**/encoders/**/*.bin`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.body()).subarray(0, 1000) });
  });
  expect((await start())?.message).toContain("has 1000 bytes");
  await context.unrouteAll({ behavior: "wait" });

  await context.route(`${origin}/registry/**/manifest.json`, (route) => route.fulfill({ status: 404 }));
  expect((await start())?.message).toContain("HTTP 404");
});

test("the library gives the goldens in a page of another origin", async ({ page, baseURL }) => {
  await openHarness(page, baseURL);
  const urls = await bundleUrls(page);
  const readAllowed = (bundleUrl: string) =>
    window.analysisHarness.loadBundle(bundleUrl).then(window.analysisHarness.allowedBy);
  const allowedByUrl = new Map<string, Awaited<ReturnType<typeof readAllowed>>>();
  for (const url of urls) allowedByUrl.set(url, await page.evaluate(readAllowed, url));
  // A page without any of our headers, which cannot have threads. A real server: Chromium keeps pages that have no
  // address of their own (`page.route`) away from this machine.
  const embedder = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html><title>embedder</title><link rel=icon href=data:,>");
  }).listen(0, "127.0.0.1");
  await once(embedder, "listening");
  await page.goto(`http://127.0.0.1:${(embedder.address() as AddressInfo).port}/`);
  for (const url of urls) {
    const bundleUrl = url.replace(harnessOrigin(baseURL), baseURL ?? "");
    const result = await page.evaluate(
      async ({ library, bundleUrl }) => {
        const { loadBundle, analyze, ParameterTrack } = (await import(library)) as typeof Library;
        const bundle = await loadBundle(bundleUrl);
        const { stages, encodings, genres, tags, tolerance } = bundle.goldens;
        const read = async (file: string) => (await fetch(new URL(file, bundle.url))).arrayBuffer();
        const pcm = Float32Array.from(new Int16Array(await read(stages.pcm.file)), (value) => value / 32768);
        const progress: number[] = [];
        const track = ParameterTrack.of(bundle, pcm.length);
        const result = await analyze(pcm, bundle, {
          onBlock: (block) => track.add(block),
          onProgress: (fraction) => progress.push(fraction),
        });
        const again = await analyze(pcm, bundle);
        const difference = (values: readonly number[], expected: Float32Array) =>
          values.length === expected.length
            ? Math.max(...values.map((value, i) => Math.abs(value - (expected[i] ?? NaN))))
            : Infinity;
        const flat = (rows: Float32Array[]) => rows.flatMap((row) => [...row]);
        const encoders = await Promise.all(
          bundle.encoders.map(async ({ name, timeOffsetSeconds, stepSeconds }) => {
            const series = result.encodings[name];
            const golden = encodings[name];
            if (!series || !golden) throw new Error(`no encodings by ${name}`);
            const told = async (rows: Float32Array[] = [], expected?: { readonly file: string }) =>
              expected ? difference(flat(rows), new Float32Array(await read(expected.file))) : rows.length;
            return {
              name,
              difference: difference(flat(series.values), new Float32Array(await read(golden.file))),
              genres: await told(series.genres, genres[name]),
              tags: await told(series.tags, tags[name]),
              first: Math.abs((series.times[0] ?? NaN) - timeOffsetSeconds),
              // Steps are rounded to whole frames.
              step: series.times.length > 1 ? Math.abs(series.times[1]! - series.times[0]! - stepSeconds) : 0,
            };
          }),
        );
        const shown = new Float32Array(track.nParameters);
        track.at(0.5, shown, new Float32Array(track.nParameters));
        return {
          tolerance,
          progress,
          backend: result.backend,
          encoders,
          frameSeconds: bundle.audio.hopLength / bundle.audio.sampleRateHz,
          nTimes: result.times.length,
          nRows: result.parameters.length,
          sameRows: difference(flat(result.parameters), track.rows),
          parameters: difference(
            flat(result.parameters),
            new Float32Array(await read(stages.parameters.file)),
          ),
          ready: track.readyUntil(0) === track.durationSeconds,
          shown: [...shown],
          again: again.times.length,
        };
      },
      { library: `${baseURL ?? ""}/lib/tfdeepviz.js`, bundleUrl },
    );
    expect(result.backend).toMatchObject({ name: "wasm", simd: true, threads: 1 });
    const allowed = allowedByUrl.get(url)!;
    for (const { name, difference, genres, tags, first, step } of result.encoders) {
      expect(difference, name).toBeLessThanOrEqual(allowed.encodings[name]!);
      expect(genres, name).toBeLessThanOrEqual(result.tolerance.genres);
      expect(tags, name).toBeLessThanOrEqual(result.tolerance.genres);
      expect(first, name).toBeLessThan(1e-9);
      expect(step, name).toBeLessThanOrEqual(result.frameSeconds / 2 + 1e-9);
    }
    expect(result.nRows).toBe(result.nTimes);
    expect(result.sameRows).toBe(0);
    expect(result.parameters).toBeLessThanOrEqual(allowed.parameters);
    expect(result.ready).toBe(true);
    for (const value of result.shown) expect(value >= 0 && value <= 1).toBe(true);
    expect(result.progress.at(-1)).toBe(1);
    expect(result.again).toBe(result.nTimes);
  }
  embedder.close();
});

test("decodes what it can and says in words what it cannot", async ({ page, baseURL }) => {
  await openHarness(page, baseURL);
  const result = await page.evaluate(async () => {
    const { decodeTrack } = window.analysisHarness;
    /** 16 bit WAV of two channels: +0.5 and -0.25. */
    const wav = (seconds: number, rate: number) => {
      const frames = Math.round(seconds * rate);
      const view = new DataView(new ArrayBuffer(44 + 4 * frames));
      const text = (at: number, value: string) =>
        new Uint8Array(view.buffer).set(new TextEncoder().encode(value), at);
      text(0, "RIFF");
      view.setUint32(4, 36 + 4 * frames, true);
      text(8, "WAVEfmt ");
      view.setUint32(16, 16, true);
      view.setUint16(20, 1, true);
      view.setUint16(22, 2, true);
      view.setUint32(24, rate, true);
      view.setUint32(28, 4 * rate, true);
      view.setUint16(32, 4, true);
      view.setUint16(34, 16, true);
      text(36, "data");
      view.setUint32(40, 4 * frames, true);
      for (let i = 0; i < frames; i++) {
        view.setInt16(44 + 4 * i, 16384, true);
        view.setInt16(46 + 4 * i, -8192, true);
      }
      return view.buffer;
    };
    const reason = (data: ArrayBuffer | File, limits: { maxSeconds?: number; minSeconds?: number } = {}) =>
      decodeTrack(data, { sampleRateHz: 44100, ...limits }).then(
        () => "none",
        (error: unknown) => {
          const { name, reason: why, message } = error as Error & { reason: string };
          return `${name} ${why}: ${message}`;
        },
      );
    const track = await decodeTrack(new File([wav(2, 22050)], "a.wav"), { sampleRateHz: 44100 });
    return {
      samples: track.pcm.samples.length,
      middle: track.pcm.samples[44100],
      channels: track.audio.numberOfChannels,
      rate: track.audio.sampleRate,
      durationSeconds: track.durationSeconds,
      failures: [
        await reason(new ArrayBuffer(0)),
        await reason(new TextEncoder().encode("not a song").buffer),
        await reason(new File([new Uint8Array(301e6)], "large.wav")),
        await reason(wav(3, 8000), { maxSeconds: 2 }),
        await reason(wav(0.5, 8000), { minSeconds: 0.96 }),
      ],
    };
  });
  expect(result).toMatchObject({ samples: 88200, channels: 2, rate: 44100, durationSeconds: 2 });
  expect(result.middle).toBeCloseTo(0.125, 3);
  const reasons = ["empty", "unsupported", "too-large", "too-long", "too-short"];
  reasons.forEach((why, i) => {
    expect(result.failures[i]).toMatch(new RegExp(`^DecodeError ${why}: [A-Z].*[.]$`));
  });
});
