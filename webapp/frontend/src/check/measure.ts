/** One bundle on one backend: how far it is from Python, and how long it takes. Runs in a worker of its own. */
import { Analyzer, loadGraphs } from "../analysis/analyzer";
import { chooseBackend, type Candidate } from "../analysis/backend";
import { TrackAnalysis, type BlockExecutor } from "../analysis/run";
import { largestDifference, loadGoldens } from "../analysis/self-test";
import { loadBundle, readGolden, type Bundle } from "../bundle";
import { ParameterTrack } from "../mapping/track";
import { nothing, type CheckedBackend, type HopTime, type Measured } from "./report";

/** What is analysed where no track is given: the goldens' PCM, repeated. */
const DEFAULT_SECONDS = 10;
/** Runs that are measured, after one that warms up. */
const RUNS = 3;
/**
 * A run that takes longer (a graphics card that the processor plays) is broken off, and what it did until then counts:
 * what a first run adds is little beside it.
 */
const PATIENCE_MS = 5_000;

export interface Measurement {
  readonly bundleUrl: string;
  readonly backend: CheckedBackend;
  readonly candidates: readonly Candidate[];
  /** Whether runs of its own measure the time; without them, the times are those of the run that is compared. */
  readonly isTimed: boolean;
  /** Steps at which all encoders are timed besides their own. */
  readonly hops: readonly number[];
  /** The track, mono at the bundle's rate; null: the goldens' PCM. */
  readonly track: (bundle: Bundle) => Promise<Float32Array | null>;
  /** Memory of page and worker. */
  readonly pageBytes: () => Promise<number | null>;
  readonly backendBytes: () => Promise<number | null>;
  readonly onProgress: (what: string) => void;
}

/** @throws BundleError when the bundle cannot be used, and what a backend throws on its way through the track */
export async function measure(options: Measurement): Promise<Measured> {
  const { backend: name, candidates, onProgress } = options;
  onProgress("Loading the bundle");
  const start = performance.now();
  const bundle = await loadBundle(options.bundleUrl);
  const [graphs, goldens] = await Promise.all([loadGraphs(bundle), loadGoldens(bundle)]);
  const downloaded = performance.now();

  onProgress("Comparing with Python");
  const choice = await chooseBackend(candidates, bundle, graphs, goldens);
  const loaded = performance.now(); // since the worker was made
  if (choice.started === null) {
    const isUnsupported = choice.rejected.length === 0;
    return {
      ...nothing(name, isUnsupported ? "unsupported" : "failed"),
      reason: (isUnsupported ? choice.unsupported : choice.rejected).join("; "),
      differences: choice.selfTest && { ...choice.selfTest, parameters: null },
    };
  }
  const { backend } = choice.started;
  let { analyzer } = choice.started;
  const golden = await run(bundle, analyzer, goldens.pcm);
  const expected = await readGolden(bundle, bundle.goldens.stages.parameters);

  onProgress("Timing the analysis");
  const track = options.isTimed ? await options.track(bundle) : null;
  // Where it is slow, that run has told enough.
  const isMeasured = options.isTimed && (track !== null || golden.totalMs <= PATIENCE_MS);
  const pcm = !isMeasured
    ? goldens.pcm
    : (track ?? repeated(goldens.pcm, DEFAULT_SECONDS * bundle.audio.sampleRateHz));
  const seconds = pcm.length / bundle.audio.sampleRateHz;
  const times = isMeasured ? await repeat(bundle, analyzer, pcm) : { ...golden, coldMs: golden.firstMs };
  onProgress("Measuring memory"); // while the model and the samples are there
  const [pageBytes, backendBytes] = [await options.pageBytes(), await options.backendBytes()];
  // Of the backend's memory, browsers count with the page what threads share, and nothing else.
  const uncounted = backend.threads > 1 ? 0 : (backendBytes ?? 0);
  const peakBytes = pageBytes === null ? null : pageBytes + uncounted;
  const atHops: HopTime[] = [];
  for (const hop of options.isTimed ? options.hops : []) {
    onProgress(`Timing the analysis at a step of ${hop} s`);
    analyzer.dispose();
    const stepped = {
      ...bundle,
      encoders: bundle.encoders.map((encoder) => ({ ...encoder, stepSeconds: hop })),
    };
    analyzer = await Analyzer.create(stepped, graphs);
    const { totalMs } = await repeat(stepped, analyzer, pcm);
    atHops.push({ hop_seconds: hop, ms_per_second: totalMs / seconds });
  }
  analyzer.dispose();
  return {
    name,
    status: "ok",
    reason: choice.rejected.join("; "),
    simd: backend.simd,
    threads: backend.threads,
    differences: { ...backend.selfTest, parameters: largestDifference(golden.parameters, expected) },
    download_ms: downloaded - start,
    download_bytes: bytesFrom([bundle.url, bundle.frontend.url]),
    load_ms: loaded - downloaded,
    first_result_ms: times.firstMs,
    cold_first_result_ms: loaded + times.coldMs,
    ms_per_second: times.totalMs / seconds,
    at_hops: atHops,
    peak_bytes: peakBytes,
    backend_bytes: backendBytes,
    audio_seconds: seconds,
  };
}

interface Run {
  /** To the track's first parameters. */
  readonly firstMs: number;
  /** To its last encodings, extrapolated where the run was broken off. */
  readonly totalMs: number;
  readonly isComplete: boolean;
  /** Shape [count, nParameters], flattened. */
  readonly parameters: Float32Array;
}

/** Medians of several runs; `coldMs` is the first one's way to its first result. */
async function repeat(
  bundle: Bundle,
  analyzer: Analyzer,
  pcm: Float32Array,
): Promise<{ coldMs: number; firstMs: number; totalMs: number }> {
  const cold = await run(bundle, analyzer, pcm, PATIENCE_MS);
  const runs: Run[] = cold.isComplete ? [] : [cold];
  while (cold.isComplete && runs.length < RUNS) runs.push(await run(bundle, analyzer, pcm));
  return {
    coldMs: cold.firstMs,
    firstMs: median(runs.map(({ firstMs }) => firstMs)),
    totalMs: median(runs.map(({ totalMs }) => totalMs)),
  };
}

/** Analyse a track as the playground does. */
async function run(
  bundle: Bundle,
  analyzer: Analyzer,
  pcm: Float32Array,
  patienceMs = Infinity,
): Promise<Run> {
  const start = performance.now();
  const track = ParameterTrack.of(bundle, pcm.length);
  const patience = new AbortController();
  let firstMs: number | undefined;
  let mappingMs = 0; // on the page, beside the analysis
  let done = 0;
  const analysis = new TrackAnalysis(bundle, pcm, {
    onBlock: (block) => {
      const before = performance.now();
      track.add(block);
      const now = performance.now();
      if (firstMs === undefined && track.readyUntil(0) > 0) firstMs = now - start;
      mappingMs += now - before;
    },
    onProgress: (fraction) => {
      done = fraction;
      if (firstMs !== undefined && performance.now() - start > patienceMs) patience.abort();
    },
    signal: patience.signal,
  });
  const executor: BlockExecutor = {
    depth: 1,
    peakDb: (stretch) => analyzer.peakDb(stretch),
    encode: async (request) => (await analyzer.encode(request)).blocks,
  };
  await analysis.run(executor).catch((error: unknown) => {
    if (!patience.signal.aborted) throw error;
  });
  const totalMs = (performance.now() - start - mappingMs) / done;
  return { firstMs: firstMs ?? totalMs, totalMs, isComplete: done === 1, parameters: track.rows };
}

function repeated(pcm: Float32Array, nSamples: number): Float32Array {
  return Float32Array.from({ length: nSamples }, (_, i) => pcm[i % pcm.length] ?? 0);
}

/** What this worker has downloaded from these folders, unpacked. */
function bytesFrom(folders: readonly string[]): number {
  const entries = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  return entries
    .filter((entry) => folders.some((folder) => entry.name.startsWith(folder)))
    .reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
