/**
 * tfdeepviz as a library: deep audio features in any page, computed on the client.
 *
 *     import { loadBundle, analyze } from "https://example.org/lib/tfdeepviz.js";
 *     const bundle = await loadBundle("https://example.org/registry/ae-shared/1/");
 *     const { times, parameters } = await analyze(pcm, bundle);
 *
 * It runs in the caller's thread, in blocks between which the page stays responsive; in a worker it works as well.
 */
import type { Analyzer } from "./analysis/analyzer";
import { startAnalyzer, type Backend } from "./analysis/backend";
import { TrackAnalysis } from "./analysis/run";
import { timeAxis } from "./analysis/segments";
import { defaultEncoder, findMapping, type Bundle } from "./bundle";
import { scale } from "./mapping/scale";

export { BundleError, loadBundle, loadRegistry, type Bundle, type Registry } from "./bundle";
export { BackendError, type Backend } from "./analysis/backend";
export { TrackTooShortError } from "./analysis/segments";

export interface AnalyzeOptions {
  /** Distance of the encodings in seconds; the encoder's step unless told. */
  readonly hopSeconds?: number;
  readonly onProgress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
}

export interface Analysis {
  /** Middle of each segment in seconds, shape [count]. */
  readonly times: Float64Array;
  /** One encoding per time, shape [count][encodingSize]. */
  readonly encoding: Float32Array[];
  /** The bundle's default mapping of each, in [0, 1], not smoothed, shape [count][nParameters]. */
  readonly parameters: Float32Array[];
  readonly backend: Backend;
}

const started = new WeakMap<Bundle, Promise<{ analyzer: Analyzer; backend: Backend }>>();
/** Backends are global to TensorFlow.js: bundles start one after the other. */
let starting: Promise<unknown> = Promise.resolve();

/**
 * Encode a track and map it to visual parameters.
 *
 * @param pcm mono, at the bundle's rate (`bundle.audio.sampleRateHz`)
 * @throws TrackTooShortError when it is shorter than one window
 * @throws BundleError when a graph cannot be fetched or used
 * @throws BackendError when this browser does not compute what the bundle expects
 */
export async function analyze(
  pcm: Float32Array,
  bundle: Bundle,
  { hopSeconds, onProgress, signal }: AnalyzeOptions = {},
): Promise<Analysis> {
  const encoder = defaultEncoder(bundle);
  const hop = hopSeconds ?? encoder.stepSeconds;
  const axis = timeAxis(bundle.audio, encoder, pcm.length, hop);
  const size = encoder.encodingSize;
  const encodings = new Float32Array(axis.count * size);
  const analysis = new TrackAnalysis(bundle, encoder.name, pcm, {
    hopSeconds: hop,
    onBlock: (block) => encodings.set(block.encodings, block.first * size),
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  const { analyzer, backend } = await start(bundle);
  await analysis.run({
    depth: 1,
    peakDb: async (run) => {
      await breathe();
      return analyzer.peakDb(run);
    },
    encode: async (request) => {
      await breathe();
      return analyzer.encode(request).encodings;
    },
  });

  const parameters = new Float32Array(encodings.length);
  scale(encodings, findMapping(bundle), parameters);
  const rows = (values: Float32Array) =>
    Array.from({ length: axis.count }, (_, k) => values.slice(k * size, (k + 1) * size));
  return {
    times: Float64Array.from({ length: axis.count }, (_, k) => axis.firstSeconds + k * axis.stepSeconds),
    encoding: rows(encodings),
    parameters: rows(parameters),
    backend,
  };
}

function start(bundle: Bundle): Promise<{ analyzer: Analyzer; backend: Backend }> {
  let promise = started.get(bundle);
  if (promise === undefined) {
    // Threads would make the calling thread wait for them, which a page's main thread may not.
    promise = starting.then(() => startAnalyzer(bundle, { maxThreads: 1 }));
    starting = promise.catch(() => started.delete(bundle));
    started.set(bundle, promise);
  }
  return promise;
}

/** Let the page handle what has come in. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
