/**
 * tfdeepviz as a library: deep audio features in any page, computed on the client.
 *
 *     import { loadBundle, analyze } from "https://example.org/lib/tfdeepviz.js";
 *     const bundle = await loadBundle("https://example.org/registry/ae-shared/1/");
 *     const { times, parameters } = await analyze(pcm, bundle);
 *
 * To play, ask a track for every frame; it answers as far as the analysis has come:
 *
 *     const track = ParameterTrack.of(bundle, pcm.length);
 *     void analyze(pcm, bundle, { onBlock: (block) => track.add(block) });
 *     const [values, travel] = [new Float32Array(track.nParameters), new Float32Array(track.nParameters)];
 *     function draw() {
 *       track.at(audio.currentTime, values, travel); // values: ten numbers in [0, 1]
 *       const { pulse, musicSeconds } = track.motionAt(audio.currentTime); // the beat, and a clock that follows it
 *       requestAnimationFrame(draw);
 *     }
 *
 * It runs in the caller's thread, in blocks between which the page stays responsive; in a worker it works as well.
 */
import { untilAborted } from "./abort";
import type { Analyzer } from "./analysis/analyzer";
import { startAnalyzer, type Backend } from "./analysis/backend";
import { fromWire, toWire } from "./analysis/messages";
import { ONSETS, streamsOf } from "./analysis/onsets";
import { TrackAnalysis } from "./analysis/run";
import { timeAxis, type TimeAxis } from "./analysis/segments";
import { probabilitySizes, type Bundle } from "./bundle";
import { ParameterTrack, type EncodingBlock } from "./mapping/track";

export {
  BundleError,
  findMapping,
  loadBundle,
  loadRegistry,
  type Bundle,
  type Mapping,
  type Registry,
  type TimeSettings,
} from "./bundle";
export { ParameterTrack, type EncodingBlock, type MotionAt } from "./mapping/track";
export { BackendError, type Backend } from "./analysis/backend";
export { AnalysisError } from "./analysis/messages";
export { TrackTooShortError } from "./analysis/segments";

export interface AnalyzeOptions {
  /** Called with every block of encodings as it comes, in order of time: what `ParameterTrack.add` takes. */
  readonly onBlock?: (block: EncodingBlock) => void;
  readonly onProgress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
}

/** One encoder's encodings of a track. */
export interface EncodingSeries {
  /** Time of each encoding in seconds, shape [count]. */
  readonly times: Float64Array;
  /** One encoding per time, shape [count][encodingSize]. */
  readonly values: Float32Array[];
  /** Probabilities of `genreNames`, one row per time, shape [count][number of genres]; of encoders that tell genres. */
  readonly genres?: Float32Array[];
  readonly genreNames?: readonly string[];
  /** Probabilities of `tagNames`, one row per time, shape [count][number of tags]; of encoders that tell tags. */
  readonly tags?: Float32Array[];
  readonly tagNames?: readonly string[];
}

export interface Analysis {
  /** Time of each row of parameters in seconds, shape [count]: those of the mapping's finest encoder. */
  readonly times: Float64Array;
  /** The bundle's default mapping, in [0, 1], neither interpolated nor smoothed, shape [count][nParameters]. */
  readonly parameters: Float32Array[];
  /** By the encoder's name. */
  readonly encodings: Readonly<Record<string, EncodingSeries>>;
  readonly backend: Backend;
}

const started = new WeakMap<Bundle, Promise<{ analyzer: Analyzer; backend: Backend }>>();
/** Backends are global to TensorFlow.js: bundles start one after the other. */
let starting: Promise<unknown> = Promise.resolve();

/**
 * Encode a track and map it to visual parameters.
 *
 * @param pcm mono, at the bundle's rate (`bundle.audio.sampleRateHz`)
 * @throws TrackTooShortError when nothing can be made of it
 * @throws BundleError when a graph cannot be fetched or used
 * @throws BackendError when this browser does not compute what the bundle expects
 * @throws AnalysisError when it breaks off, for want of memory say; the next call starts the bundle anew
 * @throws the signal's reason when it is aborted
 */
export async function analyze(
  pcm: Float32Array,
  bundle: Bundle,
  { onBlock, onProgress, signal }: AnalyzeOptions = {},
): Promise<Analysis> {
  const series = new Map(
    streamsOf(bundle).map((stream) => {
      const axis = timeAxis(bundle.audio, stream, pcm.length);
      const rowsOfSize = (size: number) => new Float32Array(axis.count * size);
      const told = probabilitySizes(stream).map(([what, size]) => [what, rowsOfSize(size)] as const);
      return [stream.name, { stream, axis, values: rowsOfSize(stream.encodingSize), told }];
    }),
  );
  const analysis = new TrackAnalysis(bundle, pcm, {
    onBlock: (block) => {
      const whole = series.get(block.encoder);
      whole?.values.set(block.encodings, block.first * block.size);
      whole?.told.forEach(([what, rows]) =>
        rows.set(block[what] ?? [], (block.first * rows.length) / whole.axis.count),
      );
      onBlock?.(block);
    },
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  const { analyzer, backend } = await untilAborted(start(bundle), signal);
  const lose = (error: unknown): never => {
    started.delete(bundle);
    throw fromWire(toWire(error)); // as the page's worker tells it
  };
  await analysis.run({
    depth: 1,
    peakDb: async (run) => {
      await breathe();
      return analyzer.peakDb(run).catch(lose);
    },
    encode: async (request) => {
      await breathe();
      return (await analyzer.encode(request).catch(lose)).blocks;
    },
  });

  const track = ParameterTrack.of(bundle, pcm.length);
  const encoders = Array.from(series).filter(([name]) => name !== ONSETS);
  for (const [encoder, { axis, values }] of series) {
    const size = values.length / axis.count;
    track.add({ encoder, first: 0, count: axis.count, encodings: values, size });
  }
  return {
    times: timesOf(track.axis),
    parameters: rowsOf(track.rows, track.axis.count),
    encodings: Object.fromEntries(
      encoders.map(([name, { stream, axis, values, told }]): [string, EncodingSeries] => [
        name,
        {
          times: timesOf(axis),
          values: rowsOf(values, axis.count),
          ...(stream.genres && { genreNames: stream.genres }),
          ...(stream.tags && { tagNames: stream.tags.names }),
          ...Object.fromEntries(told.map(([what, rows]) => [what, rowsOf(rows, axis.count)])),
        },
      ]),
    ),
    backend,
  };
}

function timesOf({ firstSeconds, stepSeconds, count }: TimeAxis): Float64Array {
  return Float64Array.from({ length: count }, (_, k) => firstSeconds + k * stepSeconds);
}

function rowsOf(values: Float32Array, count: number): Float32Array[] {
  const size = values.length / count;
  return Array.from({ length: count }, (_, k) => values.slice(k * size, (k + 1) * size));
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
