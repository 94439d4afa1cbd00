/** Which backend executes the graphs: the fastest one that proves itself on the bundle's goldens. */
import * as tf from "@tensorflow/tfjs-core";
import { BundleError, type Bundle } from "../bundle";
import { ToldError } from "../told-error";
import { Analyzer, loadGraphs, type BundleGraphs } from "./analyzer";
import { loadGoldens, passes, selfTest, type GoldenValues, type SelfTest } from "./self-test";

/** More threads than this gain little on matrices of this size. */
const MAX_THREADS = 4;
/**
 * Left to the picture and the sound. The threads wait for one another by spinning: where they have to share their cores
 * with anything else, several are slower than one.
 */
const SPARE_CORES = 1;

/** As TensorFlow.js calls it. The playground takes WASM or, failing that, the CPU; only the check page runs the others. */
export type BackendName = "wasm" | "cpu" | "webgl" | "webgpu";

/** The backend that was chosen, with the proof that it computes what Python does. */
export interface Backend {
  readonly name: BackendName;
  readonly simd: boolean;
  /** Threads of its pool, the calling one included. */
  readonly threads: number;
  readonly selfTest: SelfTest;
  /** Faster ones that were tried before, each with what was wrong. */
  readonly rejected: readonly string[];
}

/** No backend of this browser computes what the bundle's goldens ask for. */
export class BackendError extends ToldError {
  /** What was tried, and what came of it. */
  readonly attempts: readonly string[];

  constructor(attempts: readonly string[]) {
    super(
      "The model’s self-test failed in this browser, so it is not used. Update the browser or try another one.",
    );
    this.name = "BackendError";
    this.attempts = attempts;
  }
}

export interface BackendOptions {
  /**
   * So many threads if there are as many cores: 1 for callers that must not wait (a page's main thread). Unless told,
   * at most four, and one core is left to the page.
   */
  readonly maxThreads?: number;
  readonly onProgress?: (fraction: number, what: string) => void;
  readonly signal?: AbortSignal;
}

/** Something that may execute the graphs. */
export interface Candidate {
  readonly name: BackendName;
  /** What people call it. */
  readonly title: string;
  readonly simd: boolean;
  /**
   * Make it TensorFlow.js' current backend.
   *
   * @returns the threads that it really has
   * @throws UnsupportedError when this browser or device lacks what it needs
   */
  readonly activate: () => Promise<number>;
}

/** This browser or device lacks what a backend needs: no fault, and nothing to report to a person who plays. */
export class UnsupportedError extends Error {
  override readonly name = "UnsupportedError";
}

/** What came of trying candidates. */
export interface Choice {
  /** The bundle on the first that passes the self-test. */
  readonly started: { readonly analyzer: Analyzer; readonly backend: Backend } | null;
  /** Those that failed before it (or all), each with what was wrong. */
  readonly rejected: readonly string[];
  /** Those that this browser does not support, each with what it lacks. */
  readonly unsupported: readonly string[];
  /** Of the last one that could run it. */
  readonly selfTest: SelfTest | null;
}

/** What passed for the first bundle: changing the backend would pull the weights from under it. */
let established: Candidate | undefined;

/**
 * Download the graphs and start the first backend that passes the self-test: WASM with SIMD and threads, with SIMD,
 * plain WASM, JavaScript.
 *
 * @throws BundleError when a file is missing or damaged
 * @throws BackendError when no backend passes
 */
export async function startAnalyzer(
  bundle: Bundle,
  { maxThreads, onProgress, signal }: BackendOptions = {},
): Promise<{ analyzer: Analyzer; backend: Backend }> {
  onProgress?.(0, "Loading the model");
  const [graphs, goldens] = await Promise.all([
    loadGraphs(bundle, (fraction) => onProgress?.(0.6 * fraction, "Loading the model"), signal),
    loadGoldens(bundle, signal),
  ]);
  onProgress?.(0.7, "Checking the model");
  const candidates = established ? [established] : [...wasmCandidates(maxThreads), CPU];
  const { started, rejected } = await chooseBackend(candidates, bundle, graphs, goldens, signal);
  if (started === null) throw new BackendError(rejected);
  const { name, simd, threads } = started.backend;
  established ??= { name, simd, title: name, activate: () => Promise.resolve(threads) };
  onProgress?.(1, "Ready");
  return started;
}

/**
 * Start candidates in turn until one passes the self-test. Backends are global to TensorFlow.js: the one that is
 * returned is current.
 *
 * @throws BundleError when a graph cannot be used
 */
export async function chooseBackend(
  candidates: readonly Candidate[],
  bundle: Bundle,
  graphs: BundleGraphs,
  goldens: GoldenValues,
  signal?: AbortSignal,
): Promise<Choice> {
  const rejected: string[] = [];
  const unsupported: string[] = [];
  let tested: SelfTest | null = null;
  for (const { name, title, simd, activate } of candidates) {
    signal?.throwIfAborted();
    let analyzer: Analyzer | undefined;
    try {
      const threads = await activate();
      analyzer = await Analyzer.create(bundle, graphs);
      tested = await selfTest(bundle, analyzer, goldens);
      if (passes(bundle, tested, goldens)) {
        const backend = { name, simd, threads, selfTest: tested, rejected };
        return { started: { analyzer, backend }, rejected, unsupported, selfTest: tested };
      }
      rejected.push(`${title}: off by ${inWords(tested)}`);
    } catch (error) {
      if (error instanceof BundleError) throw error;
      const problem = `${title}: ${error instanceof Error ? error.message : String(error)}`;
      (error instanceof UnsupportedError ? unsupported : rejected).push(problem);
    }
    analyzer?.dispose();
  }
  return { started: null, rejected, unsupported, selfTest: tested };
}

/** WASM in the order in which the playground tries it. */
export function wasmCandidates(maxThreads?: number): Candidate[] {
  const cores = navigator.hardwareConcurrency;
  const threads = Math.min(maxThreads ?? cores - SPARE_CORES, cores, MAX_THREADS);
  return [...(threads > 1 ? [wasm(true, threads)] : []), wasm(true, 1), wasm(false, 1)];
}

function wasm(simd: boolean, threads: number): Candidate {
  return {
    name: "wasm",
    title: `WASM${simd ? " SIMD" : ""}, threads: ${threads}`,
    simd,
    activate: async () => {
      const { isWasmSupported, startWasm } = await import("./wasm");
      if (!(await isWasmSupported({ simd, threads }))) {
        throw new UnsupportedError(
          `the browser lacks ${threads > 1 ? "shared memory (is the page isolated?), " : ""}WebAssembly or SIMD`,
        );
      }
      return startWasm({ simd, threads });
    },
  };
}

const CPU: Candidate = {
  name: "cpu",
  title: "JavaScript",
  simd: false,
  activate: async () => {
    await import("@tensorflow/tfjs-backend-cpu");
    await tf.setBackend("cpu");
    return 1;
  },
};

function inWords({ mfcc, encodings, genres }: SelfTest): string {
  const stages = [
    ...Object.entries({ MFCC: mfcc, ...encodings }),
    ...Object.entries(genres).map(([name, difference]) => [`genres of ${name}`, difference] as const),
  ];
  return stages.map(([stage, difference]) => `${difference.toPrecision(2)} in ${stage}`).join(", ");
}
