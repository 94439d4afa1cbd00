import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, expect, it, vi } from "vitest";
import { Analyzer } from "./analysis/analyzer";
import type { Bundle } from "./bundle";
import { AnalysisError, analyze, loadBundle } from "./lib";
import {
  TOY_URL,
  toyEncoders,
  toyEncodings,
  toyFetch,
  toyFiles,
  toyGenres,
  toyParameters,
  toyTags,
} from "./testing/toy-bundle";

// The choice of a backend needs a browser; what it starts does not.
vi.mock("./analysis/backend", async () => {
  const { Analyzer, loadGraphs } = await import("./analysis/analyzer");
  return {
    BackendError: class extends Error {},
    startAnalyzer: async (bundle: Bundle) => ({
      analyzer: await Analyzer.create(bundle, await loadGraphs(bundle)),
      backend: { name: "cpu" },
    }),
  };
});

beforeAll(() => tf.setBackend("cpu"));
afterEach(() => void vi.unstubAllGlobals());

it("gives every encoder's series, with the genres and tags that it tells", async () => {
  const options = { wide: true, classifier: true, tagger: true, sharedFrontend: true };
  vi.stubGlobal("fetch", toyFetch(await toyFiles(options)));
  const bundle = await loadBundle(TOY_URL);
  const pcm = Float32Array.from({ length: 2000 }, (_, i) => Math.sin(i * i * 0.37));
  const { encodings, parameters, times } = await analyze(pcm, bundle);
  for (const encoder of toyEncoders(options)) {
    const expected = toyEncodings(pcm, encoder);
    const series = encodings[encoder.name]!;
    expectNear(series.values, expected);
    expect(series.times).toHaveLength(expected.length);
    expect(series.genres?.length).toBe(encoder.genres && expected.length);
    if (series.genres) expectNear(series.genres, toyGenres(expected));
    expect(series.genreNames).toEqual(encoder.genres);
    expect(series.tags?.length).toBe(encoder.tags && expected.length);
    if (series.tags) expectNear(series.tags, toyTags(expected));
    expect(series.tagNames).toEqual(encoder.tags);
  }
  expect(Object.values(encodings).map(({ tagNames }) => tagNames?.length)).toEqual([undefined, 4, undefined]);
  expect(times).toHaveLength(parameters.length);
  expectNear(parameters, toyParameters(pcm, options));
});

it("tells what breaks off, and starts the bundle anew the next time", async () => {
  vi.stubGlobal("fetch", toyFetch(await toyFiles()));
  const bundle = await loadBundle(TOY_URL);
  const pcm = new Float32Array(500).fill(0.1);
  const encode = vi.spyOn(Analyzer.prototype, "encode");
  encode.mockRejectedValueOnce(new RangeError("Array buffer allocation failed"));
  const create = vi.spyOn(Analyzer, "create");
  const failed = analyze(pcm, bundle);
  await expect(failed).rejects.toThrow(AnalysisError);
  await expect(failed).rejects.toThrow(/ran out of memory/);
  expect((await analyze(pcm, bundle)).times.length).toBeGreaterThan(0);
  expect(create).toHaveBeenCalledTimes(2);
  const reason = new Error("enough");
  await expect(analyze(pcm, bundle, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

function expectNear(given: readonly Float32Array[], expected: readonly (readonly number[])[]): void {
  expect(given.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  given.forEach((row, k) => row.forEach((value, i) => expect(value).toBeCloseTo(expected[k]![i]!, 4)));
}
