import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { BundleError, loadBundle, type Bundle } from "../bundle";
import { ParameterTrack, type EncodingBlock } from "../mapping/track";
import {
  type Json,
  collector,
  TOY_URL,
  toyEncoders,
  toyEncodings,
  toyFetch,
  toyFiles,
  toyGenres,
  toyParameters,
  toyTags,
  type ToyOptions,
} from "../testing/toy-bundle";
import { Analyzer, encodeRequest, loadGraphs } from "./analyzer";
import { fromWire, toWire } from "./messages";
import { ONSETS } from "./onsets";
import { BlockPlan, countWith } from "./plan";
import { TrackAnalysis, type BlockExecutor } from "./run";
import { allowedErrors, loadGoldens, passes, selfTest, type SelfTest } from "./self-test";
import {
  countFrames,
  countSegments,
  frameRun,
  hopFramesOf,
  segmentFrames,
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
  peakDb: (pcm) => analyzer.peakDb(pcm),
  encode: async (request) => (await analyzer.encode(request)).blocks,
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
    expect(countSegments(95, 96, 10)).toBe(1);
    expect(countSegments(1 + Math.floor(1_321_967 / 441), 96, 96)).toBe(31);
    for (const hop of [0, -1, NaN, Infinity]) expect(() => hopFramesOf(audio, hop)).toThrow(RangeError);
  });

  it("fills a segment that reaches beyond the sound with what there is", () => {
    expect(segmentFrames(5, 3, 99)).toEqual([5, 6, 7]);
    expect(segmentFrames(0, 5, 2)).toEqual([0, 1, 0, 1, 0]);
    expect(segmentFrames(-3, 5, 99)).toEqual([0, 1, 0, 1, 0]);
  });

  it("puts an encoding at the middle of its segment", () => {
    const encoder = { windowFrames: 96, stepSeconds: 0.1, timeOffsetSeconds: 0.475 };
    const axis = timeAxis(audio, encoder, 30 * 44100);
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

describe("countWith", () => {
  const coarse = { firstSeconds: 0.475, stepSeconds: 0.24, count: 121 };
  const fine = { firstSeconds: 0.045, stepSeconds: 0.02, count: 1490 };

  it("divides every axis without gap or overlap, in order of time", () => {
    expect(countWith(fine, coarse, -1)).toBe(0);
    let before = 0;
    for (let k = 0; k < coarse.count - 1; k++) {
      const count = countWith(fine, coarse, k);
      expect(count).toBeGreaterThan(before);
      before = count;
      const seconds = coarse.firstSeconds + k * coarse.stepSeconds;
      expect(fine.firstSeconds + (count - 1) * fine.stepSeconds).toBeLessThanOrEqual(seconds + 1e-9);
      expect(fine.firstSeconds + count * fine.stepSeconds).toBeGreaterThan(seconds);
      expect(countWith(coarse, coarse, k)).toBe(k + 1);
    }
    expect(countWith(fine, coarse, coarse.count - 1)).toBe(fine.count);
  });

  it("finds nothing before an axis begins, and no more than all", () => {
    const late = { firstSeconds: 9, stepSeconds: 0.1, count: 3 };
    expect(countWith(late, coarse, 0)).toBe(0);
    expect(countWith(late, coarse, 100)).toBe(3);
  });
});

/** Every encoder's encodings of the blocks, row by row. */
function collect(blocks: readonly EncodingBlock[]): Record<string, number[][]> {
  const rows: Record<string, number[][]> = {};
  for (const { encoder, first, count, encodings, size } of blocks) {
    const series = (rows[encoder] ??= []);
    for (let k = 0; k < count; k++) {
      expect(series[first + k]).toBeUndefined();
      series[first + k] = [...encodings.subarray(size * k, size * (k + 1))];
    }
  }
  return rows;
}

describe("the graphs", () => {
  it.each([
    { topDb: null },
    { topDb: 1 },
    { wide: true },
    { classifier: true },
    { tagger: true },
    { wide: true, classifier: true, tagger: true },
    { topDb: 1, wide: true, classifier: true, sharedFrontend: true },
  ])("pass the self-test: %o", async (options: ToyOptions) => {
    const { bundle, analyzer } = await load(options);
    const goldens = await loadGoldens(bundle);
    const result = await selfTest(bundle, analyzer, goldens);
    const accepts = (change: Partial<SelfTest>) => passes(bundle, { ...result, ...change }, goldens);
    expect(result.mfcc).toBeLessThan(1e-5);
    expect(Object.keys(result.encodings)).toEqual(bundle.encoders.map(({ name }) => name));
    const tagger = options.tagger ? ["tagger"] : [];
    expect(Object.keys(result.genres)).toEqual([...tagger, ...(options.classifier ? ["toy"] : [])]);
    expect(Object.keys(result.tags)).toEqual(tagger);
    for (const differences of [result.encodings, result.genres, result.tags]) {
      for (const difference of Object.values(differences)) expect(difference).toBeLessThan(1e-5);
    }
    expect(accepts({})).toBe(true);
    expect(accepts({ mfcc: NaN })).toBe(false);
    for (const bad of [1, NaN]) {
      for (const { name, genres, tags } of bundle.encoders) {
        expect(accepts({ encodings: { ...result.encodings, [name]: bad } })).toBe(false);
        expect(accepts({ genres: { ...result.genres, [name]: bad } })).toBe(genres === undefined);
        expect(accepts({ tags: { ...result.tags, [name]: bad } })).toBe(tags === undefined);
      }
    }
    expect(accepts({ encodings: {} })).toBe(false);
    expect(accepts({ genres: {} })).toBe(!options.classifier && !options.tagger);
    expect(accepts({ tags: {} })).toBe(!options.tagger);
  });

  it("may differ in encodings by a share of the largest number", async () => {
    const { bundle, analyzer } = await load({ wide: true });
    const goldens = await loadGoldens(bundle);
    const result = await selfTest(bundle, analyzer, goldens);
    const toy = goldens.encodings.get("toy")!;
    const limit = 1e-5 * Math.max(...toy.map(Math.abs));
    expect(allowedErrors(bundle, goldens).toy).toBeCloseTo(limit, 12);
    for (const [difference, accepted] of [
      [0.99 * limit, true],
      [1.01 * limit, false],
    ] as const) {
      const encodings = { ...result.encodings, toy: difference };
      expect(passes(bundle, { ...result, encodings }, goldens)).toBe(accepted);
    }
  });

  it("fail the self-test when a classifier's genres are off", async () => {
    const { bundle, analyzer } = await load({ classifier: true });
    const goldens = await loadGoldens(bundle);
    goldens.genres.get("toy")![4]! += 0.01;
    const result = await selfTest(bundle, analyzer, goldens);
    expect(result.encodings.toy).toBeLessThan(1e-5);
    expect(result.genres.toy).toBeCloseTo(0.01, 4);
    expect(passes(bundle, result, goldens)).toBe(false);
  });

  it("give a classifier's genres beside its encodings, whatever the blocks, and no others'", async () => {
    const { bundle, analyzer } = await load({ wide: true, classifier: true });
    const pcm = noise(1001);
    const options = collector();
    const analysis = new TrackAnalysis(bundle, pcm, options);
    analysis.focus(3);
    await analysis.run(executor(analyzer));
    for (const { encoder, count, genres } of options.blocks) {
      expect(genres?.length).toBe(encoder === "toy" ? 3 * count : undefined);
    }
    const classified = options.blocks.filter(({ encoder }) => encoder === "toy");
    expect(classified.length).toBeGreaterThan(1);
    const rows = collect(classified.map((block) => ({ ...block, encodings: block.genres!, size: 3 }))).toy!;
    const toy = toyEncoders({ classifier: true })[0]!;
    const expected = toyGenres(toyEncodings(pcm, toy));
    expect(rows).toHaveLength(expected.length);
    expected.flat().forEach((value, i) => expect(rows.flat()[i]).toBeCloseTo(value, 5));
    for (const row of rows) expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  });

  it("give genres of more segments than an encoder is given at once", async () => {
    const { bundle, analyzer } = await load({ classifier: true, stepSeconds: 0.04 });
    const pcm = noise(6000);
    const expected = toyGenres(toyEncodings(pcm, toyEncoders({ stepSeconds: 0.04 })[0]!));
    const runs = [{ encoder: "toy", first: 0, count: expected.length }];
    const { blocks } = await analyzer.encode(encodeRequest(bundle, pcm, runs, -40));
    const genres = [...blocks[0]!.genres!];
    expect(genres).toHaveLength(3 * expected.length);
    expected.flat().forEach((value, i) => expect(genres[i]).toBeCloseTo(value, 5));
  });

  it("fail the self-test when one of several encoders is off", async () => {
    const { bundle, analyzer } = await load({ wide: true });
    const goldens = await loadGoldens(bundle);
    goldens.encodings.get("wide")![3]! += 0.01;
    const result = await selfTest(bundle, analyzer, goldens);
    expect(result.encodings.toy).toBeLessThan(1e-5);
    expect(result.encodings.wide).toBeCloseTo(0.01, 4);
    expect(passes(bundle, result, goldens)).toBe(false);
  });

  it.each([
    [null, false],
    [1.5, false],
    [null, true],
    [1.5, true],
  ])("give the whole track whatever the blocks, top_db %s, second encoder %s", async (topDb, wide) => {
    for (const stepSeconds of [0.04, 0.12]) {
      const toy = { topDb, wide, stepSeconds };
      const { bundle, analyzer } = await load(toy);
      for (const length of [24, 25, 60, 1001]) {
        const pcm = noise(length);
        const options = collector();
        const analysis = new TrackAnalysis(bundle, pcm, options);
        analysis.focus(length / 200);
        await analysis.run(executor(analyzer));
        const rows = collect(options.blocks);
        for (const encoder of toyEncoders(toy)) {
          const expected = toyEncodings(pcm, encoder, topDb);
          expect(rows[encoder.name]).toHaveLength(expected.length);
          const given = rows[encoder.name]!.flat();
          expected.flat().forEach((value, i) => expect(given[i]).toBeCloseTo(value, 4));
        }
        const track = ParameterTrack.of(bundle, length);
        for (const block of options.blocks) track.add(block);
        const parameters = toyParameters(pcm, toy).flat();
        expect(track.rows).toHaveLength(parameters.length);
        parameters.forEach((value, i) => expect(track.rows[i]).toBeCloseTo(value, 4));
      }
    }
  });

  it("compute the front end once for all encoders of a block, and the first block makes a start", async () => {
    const { bundle, analyzer } = await load({ wide: true });
    const pcm = noise(6000);
    const track = ParameterTrack.of(bundle, pcm.length);
    const mfcc = vi.spyOn(analyzer as unknown as { runFrontend: () => unknown }, "runFrontend");
    const options = collector();
    const untilReady: number[] = [];
    const stretches: Record<string, number>[] = [];
    const once: BlockExecutor = {
      ...executor(analyzer, 1),
      encode: async (request) => {
        stretches.push(Object.fromEntries(request.runs.map(({ encoder, count }) => [encoder, count])));
        return (await analyzer.encode(request)).blocks;
      },
    };
    const analysis = new TrackAnalysis(bundle, pcm, {
      onBlock: (block) => {
        options.onBlock(block);
        track.add(block);
        untilReady.push(track.readyUntil(0));
      },
    });
    await analysis.run(once);
    expect(mfcc).toHaveBeenCalledTimes(stretches.length);
    for (const name of ["wide", "toy", ONSETS]) {
      expect(stretches.every((runs) => (runs[name] ?? 0) > 0)).toBe(true);
    }
    const order = ["wide", "toy", ONSETS];
    expect(options.blocks.map(({ encoder }) => encoder).slice(0, 6)).toEqual([...order, ...order]);
    expect(untilReady[2]).toBeGreaterThan(0.8);
    expect(untilReady).toEqual(untilReady.toSorted((a, b) => a - b));
    expect(untilReady.at(-1)).toBe(60);
  });

  it("begin at the focus, for all encoders", async () => {
    const { bundle, analyzer } = await load({ wide: true });
    const pcm = noise(6000);
    const track = ParameterTrack.of(bundle, pcm.length);
    let readyAfterFirst: boolean | undefined;
    const analysis = new TrackAnalysis(bundle, pcm, {
      onBlock: (block) => {
        track.add(block);
        if (block.encoder === ONSETS) readyAfterFirst ??= track.isReady(40.1);
      },
    });
    analysis.focus(40.1);
    await analysis.run(executor(analyzer));
    expect(readyAfterFirst).toBe(true);
    expect(track.readyUntil(0)).toBe(60);
  });

  it("leave no tensor behind", async () => {
    const before = tf.memory().numTensors;
    const { bundle, analyzer } = await load({ wide: true, classifier: true });
    const loaded = tf.memory().numTensors;
    for (let round = 0; round < 3; round++) {
      await new TrackAnalysis(bundle, noise(500), collector()).run(executor(analyzer));
      expect(tf.memory().numTensors).toBe(loaded);
    }
    analyzer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    ["frontend/model.json", "manifest.json", "frontend.outputs", "mfcc"],
    ["encoders/toy/model.json", "manifest.json", "encoders.0.outputs", "encoding"],
    ["encoders/toy/model.json", "manifest.json", "encoders.0.outputs", "genres"],
  ])("are refused when they lack a tensor: %s", async (field, file, path, name) => {
    const edit = {
      [file]: (json: Json) => {
        const outputs = path.split(".").reduce((at, key) => at[key] as Json, json);
        Object.assign(outputs, { [name]: "Missing:0" });
      },
    };
    await expect(load({ classifier: true, edit })).rejects.toMatchObject({ name: "BundleError", field });
  });

  it("are refused when they are no graph model", async () => {
    const edit = {
      "encoders/toy/model.json": (json: Record<string, unknown>) => delete json.weightsManifest,
    };
    await expect(load({ edit })).rejects.toThrow(/not a TensorFlow.js graph model/);
  });

  it("are refused when their shapes are not what the manifest says", async () => {
    const edit = {
      "manifest.json": (json: Json) => ((json.audio as Json).n_mfcc = 1),
      "goldens/goldens.json": (json: Json) => (((json.stages as Json).mfcc as Json).shape = [32, 1]),
    };
    const { analyzer } = await load({ edit });
    await expect(analyzer.mfcc(new Float32Array(16), -40)).rejects.toThrow(BundleError);
    await expect(analyzer.mfcc(new Float32Array(17), -40)).rejects.toThrow(RangeError);
  });

  it("are refused when they give other genres than the manifest says", async () => {
    const edit = {
      "manifest.json": (json: Json) => ((json.encoders as Json[])[0]!.genres = ["Calm", "Loud"]),
      "goldens/goldens.json": (json: Json) => {
        const golden = (json.genres as Record<string, Json>).toy!;
        Object.assign(golden, { file: "goldens/encoding-toy.bin", shape: [7, 2] });
      },
    };
    const { bundle, analyzer } = await load({ classifier: true, edit });
    const before = tf.memory().numTensors;
    const goldens = await loadGoldens(bundle);
    await expect(selfTest(bundle, analyzer, goldens)).rejects.toThrow(
      "encoders/toy/model.json gives genres of shape [7, 3] where [7, 2] is expected",
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("an analysis", () => {
  it("refuses a track that is too short to be music", async () => {
    const { bundle } = await load({ wide: true });
    expect(new TrackAnalysis(bundle, noise(10), collector())).toBeDefined();
    const analyze = () => new TrackAnalysis(bundle, noise(9), collector());
    expect(analyze).toThrow(TrackTooShortError);
    expect(analyze).toThrow(
      "The track lasts 0.09 s, but the model needs at least 0.10 s. Choose a longer track.",
    );
  });

  it.each([10, 60, 179, 180, 400])("repeats what a window lacks: %i samples", async (length) => {
    const options = { tagger: true };
    const { bundle, analyzer } = await load(options);
    const pcm = noise(length);
    const given = collector();
    const track = ParameterTrack.of(bundle, length);
    await new TrackAnalysis(bundle, pcm, given).run(executor(analyzer));
    for (const encoder of toyEncoders(options)) {
      const expected = toyEncodings(pcm, encoder);
      const blocks = given.blocks.filter((block) => block.encoder === encoder.name);
      expect(blocks.flatMap(({ encodings }) => [...encodings])).toEqual(
        expected.flat().map((value) => expect.closeTo(value, 4) as number),
      );
      const tags = blocks.flatMap((block) => [...(block.tags ?? [])]);
      const told = encoder.tags ? toyTags(expected).flat() : [];
      expect(tags).toEqual(told.map((value) => expect.closeTo(value, 4) as number));
    }
    for (const block of given.blocks) track.add(block);
    expect(track.durationSeconds).toBe(length / 100);
    expect(track.readyUntil(0)).toBe(length / 100);
    expect([...track.rows]).toEqual(
      toyParameters(pcm, options)
        .flat()
        .map((value) => expect.closeTo(value, 4) as number),
    );
  });

  it("reports progress from 0 to 1, never backwards", async () => {
    for (const topDb of [null, 3]) {
      const { bundle, analyzer } = await load({ topDb });
      const seen: number[] = [];
      const options = collector({ onProgress: (fraction) => seen.push(fraction) });
      await new TrackAnalysis(bundle, noise(5000), options).run(executor(analyzer));
      expect(seen[0]).toBe(0);
      expect(seen.at(-1)).toBeCloseTo(1, 12);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    }
  });

  it("ends when it is aborted, with the signal's reason", async () => {
    const { bundle, analyzer } = await load();
    const abort = new AbortController();
    const options = collector({ signal: abort.signal });
    const run = new TrackAnalysis(bundle, noise(50_000), {
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
    const run = new TrackAnalysis(bundle, noise(5000), collector()).run(failing);
    await expect(run).rejects.toThrow("out of memory");
  });
});

describe("errors cross from the worker", () => {
  it("with their class and fields", () => {
    const error = new BundleError("encoders/toy/model.json", "is not JSON", "Do this.");
    const copy = fromWire(structuredClone(toWire(error)));
    expect(copy).toBeInstanceOf(BundleError);
    expect(copy).toMatchObject({ message: error.message, field: error.field, remedy: "Do this." });
    expect(fromWire(toWire(new RangeError("memory"))).name).toBe("AnalysisError");
    expect(fromWire(toWire("odd")).message).toContain("odd");
  });
});
