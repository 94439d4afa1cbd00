/** Hands the analysis to the tests in e2e/ and to scripts/bench.mjs: `window.analysisHarness`. */
import * as tf from "@tensorflow/tfjs-core";
import { startAnalyzer } from "../../src/analysis/backend";
import { AnalysisClient } from "../../src/analysis/client";
import { decodeTrack } from "../../src/analysis/decode";
import { frameRun, hopFramesOf, sliceWithZeros, timeAxis } from "../../src/analysis/segments";
import {
  defaultEncoder,
  findMapping,
  loadBundle,
  loadRegistry,
  readGolden,
  type Bundle,
} from "../../src/bundle";
import { ParameterTrack, type EncodingBlock } from "../../src/mapping/track";

/** Analyse in the worker and collect everything. */
async function analyzeAll(
  client: AnalysisClient,
  pcm: Float32Array,
  hopSeconds: number,
  onBlock?: (block: EncodingBlock) => void,
): Promise<Float32Array> {
  const encoder = defaultEncoder(client.bundle);
  const { count } = timeAxis(client.bundle.audio, encoder, pcm.length, hopSeconds);
  const encodings = new Float32Array(count * encoder.encodingSize);
  await client.analyze(pcm, {
    hopSeconds,
    onBlock: (block) => {
      encodings.set(block.encodings, block.first * block.size);
      onBlock?.(block);
    },
  });
  return encodings;
}

/** The unsmoothed parameters at the time of every encoding, by way of the player's ParameterTrack. */
function parametersOf(
  bundle: Bundle,
  encodings: Float32Array,
  nSamples: number,
  hopSeconds: number,
): number[][] {
  const encoder = defaultEncoder(bundle);
  const axis = timeAxis(bundle.audio, encoder, nSamples, hopSeconds);
  const track = new ParameterTrack({
    axis,
    durationSeconds: nSamples / bundle.audio.sampleRateHz,
    mapping: findMapping(bundle),
    smoothing: { ...bundle.mappings.smoothing, retention: 0 },
  });
  track.add({ first: 0, count: axis.count, encodings, size: encoder.encodingSize });
  const parameters = new Float32Array(bundle.mappings.nParameters);
  return Array.from({ length: axis.count }, (_, k) => {
    track.at(axis.firstSeconds + k * axis.stepSeconds, parameters, new Float32Array(parameters.length));
    return [...parameters];
  });
}

/** Tensors alive after each of several rounds of work on this thread. */
async function countTensors(bundleUrl: string, rounds: number): Promise<number[]> {
  const bundle = await loadBundle(bundleUrl);
  const { analyzer } = await startAnalyzer(bundle, { maxThreads: 1 });
  const encoder = defaultEncoder(bundle);
  const pcm = await readGolden(bundle, "pcm");
  const hopFrames = hopFramesOf(bundle.audio, encoder.stepSeconds);
  const counts: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const run = frameRun(bundle.audio, bundle.frontend, 0, (round - 1) * hopFrames + encoder.windowFrames);
    const block = sliceWithZeros(pcm, run);
    const { floorDb } = bundle.audio;
    analyzer.encode({ pcm: block, count: round, hopFrames, floorDb, encoder: encoder.name });
    analyzer.peakDb(block);
    analyzer.mfcc(block, floorDb);
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
  analyzeAll,
  countTensors,
  decodeTrack,
  defaultEncoder,
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
