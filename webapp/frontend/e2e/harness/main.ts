/** Hands the analysis to the tests in e2e/: `window.analysisHarness`. */
import * as tf from "@tensorflow/tfjs-core";
import { startAnalyzer } from "../../src/analysis/backend";
import { AnalysisClient } from "../../src/analysis/client";
import { decodeTrack } from "../../src/analysis/decode";
import { encodeRequest } from "../../src/analysis/analyzer";
import { streamsOf } from "../../src/analysis/onsets";
import { timeAxis } from "../../src/analysis/segments";
import { allowedErrors, loadGoldens } from "../../src/analysis/self-test";
import { findMapping, loadBundle, loadRegistry, readGolden, type Bundle, type Step } from "../../src/bundle";
import { ParameterTrack, type EncodingBlock } from "../../src/mapping/track";

/** By the stream's name: shape [count, encodingSize], flattened. */
type AllEncodings = Readonly<Record<string, Float32Array>>;

/** Analyse in the worker and collect everything. */
async function analyzeAll(
  client: AnalysisClient,
  pcm: Float32Array,
  onBlock?: (block: EncodingBlock) => void,
): Promise<AllEncodings> {
  const { audio } = client.bundle;
  const encodings = Object.fromEntries(
    streamsOf(client.bundle).map((stream) => [
      stream.name,
      new Float32Array(timeAxis(audio, stream, pcm.length).count * stream.encodingSize),
    ]),
  );
  await client.analyze(
    { samples: pcm, sampleRateHz: audio.sampleRateHz },
    {
      onBlock: (block) => {
        encodings[block.encoder]?.set(block.encodings, block.first * block.size);
        onBlock?.(block);
      },
    },
  );
  return encodings;
}

/** The rows of the default mapping, by way of the player's ParameterTrack. */
function parametersOf(bundle: Bundle, encodings: AllEncodings, nSamples: number): Float32Array {
  const track = ParameterTrack.of(bundle, nSamples);
  for (const { name, encodingSize: size } of streamsOf(bundle)) {
    const values = encodings[name] ?? new Float32Array();
    track.add({ encoder: name, first: 0, count: values.length / size, encodings: values, size });
  }
  return track.rows;
}

/** Largest absolute differences from the goldens. */
interface Allowed {
  /** By the encoder's name. */
  readonly encodings: Readonly<Record<string, number>>;
  /**
   * What these can grow to on their way through the default mapping: for each parameter the sum of what each number of
   * an encoding may add, the largest of all.
   */
  readonly parameters: number;
}

async function allowedBy(bundle: Bundle): Promise<Allowed> {
  const encodings = allowedErrors(bundle, await loadGoldens(bundle));
  const { projection, scaling } = findMapping(bundle);
  const stepOf = (encoder: string) =>
    bundle.encoders.find(({ name }) => name === encoder)?.stepSeconds ?? NaN;
  const finest = Math.min(...projection.parts.map(({ encoder }) => stepOf(encoder)));
  const errors = projection.parts.flatMap(({ encoder, steps, encodingSize }) => {
    // What is fitted to the track may have a larger gain, and both of its percentiles move with the numbers.
    const fitted = scaling.method === "per-track" && stepOf(encoder) === finest ? 3 * scaling.maxBoost : 1;
    return steps.reduce(
      (before, step) => grow(step, before),
      Array<number>(encodingSize).fill(fitted * (encodings[encoder] ?? NaN)),
    );
  });
  const parameters = Math.max(...errors.map((error, i) => error * Math.abs(scaling.gain[i] ?? NaN)));
  return { encodings, parameters };
}

/** @param errors of each number before the step @returns their bounds after it */
function grow(step: Step, errors: readonly number[]): number[] {
  switch (step.kind) {
    case "select":
      return step.indices.map((index) => errors[index] ?? NaN);
    case "scale":
      return errors.map((error, i) => error * Math.abs(step.gain[i] ?? NaN));
    case "affine":
      return step.offset.map((_, j) =>
        errors.reduce((sum, error, i) => sum + error * Math.abs(step.matrix[i]?.[j] ?? NaN), 0),
      );
    case "inverse-distance":
      // The slope of 1 / d is 1 / d^2, which on the floor would bound nothing: taken at a tenth from every centroid.
      return step.centroids.map(() => 100 * Math.hypot(...errors));
  }
}

/** Tensors alive after each of several rounds of work on this thread. */
async function countTensors(bundleUrl: string, rounds: number): Promise<number[]> {
  const bundle = await loadBundle(bundleUrl);
  const { analyzer } = await startAnalyzer(bundle, { maxThreads: 1 });
  const pcm = await readGolden(bundle, bundle.goldens.stages.pcm);
  const { floorDb } = bundle.audio;
  const counts: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const runs = bundle.encoders.map(({ name }) => ({ encoder: name, first: 0, count: round }));
    const request = encodeRequest(bundle, pcm, runs, floorDb);
    await analyzer.encode(request);
    await analyzer.peakDb(request.pcm);
    await analyzer.mfcc(request.pcm, floorDb);
    counts.push(tf.memory().numTensors);
  }
  analyzer.dispose();
  counts.push(tf.memory().numTensors);
  return counts;
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  return Array.from(a).reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] ?? NaN))), 0);
}

const harness = {
  AnalysisClient,
  allowedBy,
  analyzeAll,
  countTensors,
  decodeTrack,
  findMapping,
  largestDifference,
  loadBundle,
  loadRegistry,
  parametersOf,
  readGolden,
};

declare global {
  interface Window {
    analysisHarness: typeof harness;
  }
}

window.analysisHarness = harness;
