import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { BundleError, loadBundle, type Bundle } from "../bundle";
import {
  type Json,
  collector,
  TOY_URL,
  toyEncodings,
  toyFetch,
  toyFiles,
  type ToyOptions,
} from "../testing/toy-bundle";
import { Analyzer, loadGraphs } from "./analyzer";
import { fromWire, toWire } from "./messages";
import { BlockPlan } from "./plan";
import { TrackAnalysis, type BlockExecutor } from "./run";
import { loadGoldens, passes, selfTest } from "./self-test";
import {
  countFrames,
  countSegments,
  frameRun,
  hopFramesOf,
  sliceWithZeros,
  timeAxis,
  TrackTooShortError,
} from "./segments";

beforeAll(() => tf.setBackend("cpu"));
afterEach(() => void vi.unstubAllGlobals());

async function load(options: ToyOptions = {}): Promise<{ bundle: Bundle; analyzer: Analyzer }> {
  vi.stubGlobal("fetch", toyFetch(await toyFiles(options)));
  const bundle = await loadBundle(TOY_URL);
  return { bundle, analyzer: await Analyzer.create(bundle, await loadGraphs(bundle)) };
}

const executor = (analyzer: Analyzer, depth = 2): BlockExecutor => ({
  depth,
  peakDb: (pcm) => Promise.resolve(analyzer.peakDb(pcm)),
  encode: (request) => Promise.resolve(analyzer.encode(request).encodings),
});

const noise = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * i * 0.37));

describe("segments", () => {
  const audio = { sampleRateHz: 44100, hopLength: 441 };

  it("counts as the contract does", () => {
    expect(countFrames(audio, 0)).toBe(1);
    expect(countFrames(audio, 440)).toBe(1);
    expect(countFrames(audio, 88200)).toBe(201);
    expect(hopFramesOf(audio, 0.1)).toBe(10);
    expect(hopFramesOf(audio, 0.96)).toBe(96);
    expect(hopFramesOf(audio, 0.0001)).toBe(1);
    expect(hopFramesOf(audio, 0.025)).toBe(2); // half to even, as Python's round
    expect(hopFramesOf(audio, 0.035)).toBe(4);
    expect(countSegments(201, 96, 10)).toBe(11);
    expect(countSegments(96, 96, 10)).toBe(1);
    expect(countSegments(95, 96, 10)).toBe(0);
    expect(countSegments(1 + Math.floor(1_321_967 / 441), 96, 96)).toBe(31);
    for (const hop of [0, -1, NaN, Infinity]) expect(() => hopFramesOf(audio, hop)).toThrow(RangeError);
  });

  it("puts an encoding at the middle of its segment", () => {
    const axis = timeAxis(audio, { windowFrames: 96, timeOffsetSeconds: 0.475 }, 30 * 44100, 0.1);
    expect(axis).toEqual({ firstSeconds: 0.475, stepSeconds: 0.1, count: 291 });
  });

  it("pads both ends with zeros", () => {
    const run = frameRun({ hopLength: 4 }, { padSamples: 4, overlapHops: 1 }, 0, 3);
    expect(run).toEqual({ startSample: -4, nSamples: 16 });
    expect([...sliceWithZeros(Float32Array.of(1, 2, 3), run)]).toEqual([
      0,
      0,
      0,
      0,
      1,
      2,
      3,
      ...Array<number>(9).fill(0),
    ]);
    expect(sliceWithZeros(Float32Array.of(1), { startSample: 5, nSamples: 4 })).toEqual(new Float32Array(4));
  });
});

describe("BlockPlan", () => {
  const drain = (plan: BlockPlan) => {
    const blocks: [number, number][] = [];
    for (let block = plan.next(); block !== null; block = plan.next())
      blocks.push([block.first, block.count]);
    return blocks;
  };

  it("begins small and doubles", () => {
    expect(drain(new BlockPlan(40, 2, 10))).toEqual([
      [0, 2],
      [2, 4],
      [6, 8],
      [14, 10],
      [24, 10],
      [34, 6],
    ]);
    expect(drain(new BlockPlan(0, 1, 1))).toEqual([]);
  });

  it("goes on from the focus and wraps round to what is missing", () => {
    const plan = new BlockPlan(40, 4, 8);
    expect(plan.next()).toEqual({ first: 0, count: 4 });
    plan.focus(30.7);
    expect(drain(plan)).toEqual([
      [30, 4],
      [34, 6],
      [4, 8],
      [12, 8],
      [20, 8],
      [28, 2],
    ]);
  });

  it("covers everything once, wherever the focus jumps", () => {
    for (let seed = 1; seed < 30; seed++) {
      const plan = new BlockPlan(100, 3, 9);
      const seen = new Uint8Array(100);
      let jump = seed;
      for (let block = plan.next(); block !== null; block = plan.next()) {
        for (let k = block.first; k < block.first + block.count; k++) seen[k]!++;
        jump = (jump * 7919) % 211;
        plan.focus(jump - 50);
      }
      expect(seen.every((count) => count === 1)).toBe(true);
    }
    expect(() => new BlockPlan(5, 0, 1)).toThrow(RangeError);
  });
});

describe("the graphs", () => {
  it.each([null, 1])("pass the self-test, top_db %s", async (topDb) => {
    const { bundle, analyzer } = await load({ topDb });
    const result = selfTest(bundle, analyzer, await loadGoldens(bundle));
    expect(result.mfcc).toBeLessThan(1e-5);
    expect(result.encoding).toBeLessThan(1e-5);
    expect(passes(bundle, result)).toBe(true);
    expect(passes(bundle, { ...result, mfcc: NaN })).toBe(false);
    expect(passes(bundle, { ...result, encoding: 1 })).toBe(false);
  });

  it.each([null, 1.5])("give the whole track whatever the blocks, top_db %s", async (topDb) => {
    const { bundle, analyzer } = await load({ topDb });
    for (const length of [12, 13, 60, 1001]) {
      const pcm = noise(length);
      for (const hopSeconds of [0.04, 0.12]) {
        const expected = toyEncodings(pcm, hopSeconds / 0.04, topDb);
        const options = collector({ hopSeconds });
        const analysis = new TrackAnalysis(bundle, "toy", pcm, options);
        analysis.focus(length / 200);
        await analysis.run(executor(analyzer));
        const encodings: number[][] = [];
        for (const { first, count, encodings: rows, size } of options.blocks) {
          expect(size).toBe(2);
          for (let k = 0; k < count; k++) encodings[first + k] = [...rows.subarray(2 * k, 2 * k + 2)];
        }
        expect(encodings).toHaveLength(expected.length);
        expected.flat().forEach((value, i) => expect(encodings.flat()[i]).toBeCloseTo(value, 4));
      }
    }
  });

  it("leave no tensor behind", async () => {
    const before = tf.memory().numTensors;
    const { bundle, analyzer } = await load();
    const loaded = tf.memory().numTensors;
    for (let round = 0; round < 3; round++) {
      await new TrackAnalysis(bundle, "toy", noise(500), collector({ hopSeconds: 0.04 })).run(
        executor(analyzer),
      );
      expect(tf.memory().numTensors).toBe(loaded);
    }
    analyzer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    ["frontend/model.json", "manifest.json", "frontend.outputs", "mfcc"],
    ["encoder/model.json", "manifest.json", "encoders.0.outputs", "encoding"],
  ])("are refused when they lack a tensor: %s", async (field, file, path, name) => {
    const edit = {
      [file]: (json: Json) => {
        const outputs = path.split(".").reduce((at, key) => at[key] as Json, json);
        Object.assign(outputs, { [name]: "Missing:0" });
      },
    };
    await expect(load({ edit })).rejects.toMatchObject({ name: "BundleError", field });
  });

  it("are refused when they are no graph model", async () => {
    const edit = { "encoder/model.json": (json: Record<string, unknown>) => delete json.weightsManifest };
    await expect(load({ edit })).rejects.toThrow(/not a TensorFlow.js graph model/);
  });

  it("are refused when their shapes are not what the manifest says", async () => {
    const edit = { "manifest.json": (json: Json) => ((json.audio as Json).n_mfcc = 1) };
    const { analyzer } = await load({ edit });
    expect(() => analyzer.mfcc(new Float32Array(16), -40)).toThrow(BundleError);
    expect(() => analyzer.mfcc(new Float32Array(17), -40)).toThrow(RangeError);
  });
});

describe("an analysis", () => {
  it("refuses a track shorter than a window", async () => {
    const { bundle } = await load();
    expect(() => new TrackAnalysis(bundle, "toy", noise(7), collector({ hopSeconds: 0.04 }))).toThrow(
      TrackTooShortError,
    );
  });

  it("reports progress from 0 to 1, never backwards", async () => {
    for (const topDb of [null, 3]) {
      const { bundle, analyzer } = await load({ topDb });
      const seen: number[] = [];
      const options = collector({ hopSeconds: 0.04, onProgress: (fraction) => seen.push(fraction) });
      await new TrackAnalysis(bundle, "toy", noise(5000), options).run(executor(analyzer));
      expect(seen[0]).toBe(0);
      expect(seen.at(-1)).toBeCloseTo(1, 12);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    }
  });

  it("ends when it is aborted, with the signal's reason", async () => {
    const { bundle, analyzer } = await load();
    const abort = new AbortController();
    const options = collector({ hopSeconds: 0.04, signal: abort.signal });
    const run = new TrackAnalysis(bundle, "toy", noise(50_000), {
      ...options,
      onBlock: (block) => {
        options.onBlock(block);
        abort.abort();
      },
    }).run(executor(analyzer));
    await expect(run).rejects.toMatchObject({ name: "AbortError" });
    expect(options.blocks).toHaveLength(1);
  });

  it("passes on what the executor throws", async () => {
    const { bundle, analyzer } = await load();
    const failing: BlockExecutor = {
      ...executor(analyzer),
      encode: () => Promise.reject(new Error("out of memory")),
    };
    const run = new TrackAnalysis(bundle, "toy", noise(5000), collector({ hopSeconds: 0.04 })).run(failing);
    await expect(run).rejects.toThrow("out of memory");
  });
});

describe("errors cross from the worker", () => {
  it("with their class and fields", () => {
    const error = new BundleError("encoder/model.json", "is not JSON", "Do this.");
    const copy = fromWire(structuredClone(toWire(error)));
    expect(copy).toBeInstanceOf(BundleError);
    expect(copy).toMatchObject({ message: error.message, field: error.field, remedy: "Do this." });
    expect(fromWire(toWire(new RangeError("memory"))).name).toBe("AnalysisError");
    expect(fromWire(toWire("odd")).message).toContain("odd");
  });
});
