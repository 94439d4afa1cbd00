/** Which backend executes the graphs: the fastest one that proves itself on the bundle's goldens. */
import * as tf from "@tensorflow/tfjs-core";
import { BundleError, type Bundle } from "../bundle";
import { Analyzer, loadGraphs, type BundleGraphs } from "./analyzer";
import { loadGoldens, passes, selfTest, type GoldenValues, type SelfTest } from "./self-test";
import type { WasmVariant } from "./wasm";

/** More threads than this gain little on matrices of this size. */
const MAX_THREADS = 4;
/**
 * Left to the picture and the sound. The threads wait for one another by spinning: where they have to share their cores
 * with anything else, several are slower than one.
 */
const SPARE_CORES = 1;

/** The backend that was chosen, with the proof that it computes what Python does. */
export interface Backend {
  readonly name: "wasm" | "cpu";
  readonly simd: boolean;
  /** Threads of its pool, the calling one included. */
  readonly threads: number;
  readonly selfTest: SelfTest;
  /** Faster ones that were tried before, each with what was wrong. */
  readonly rejected: readonly string[];
}

/** No backend of this browser computes what the bundle's goldens ask for. */
export class BackendError extends Error {
  /** What was tried, and what came of it. */
  readonly attempts: readonly string[];

  constructor(attempts: readonly string[]) {
    super(
      `No way to run the model in this browser gave the expected numbers (${attempts.join("; ")}). ` +
        "Update the browser or try another one.",
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

/** What passed for the first bundle: changing the backend would pull the weights from under it. */
let established: Candidate | undefined;

type Candidate = ({ readonly name: "wasm" } & WasmVariant) | { readonly name: "cpu" };

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
  const attempts: string[] = [];
  const choice = established ? [established] : candidates(maxThreads);
  for (const candidate of choice) {
    signal?.throwIfAborted();
    onProgress?.(0.7, "Checking the model");
    try {
      const started = await tryCandidate(candidate, bundle, graphs, goldens);
      if (started === null) continue;
      if (passes(bundle, started.backend.selfTest)) {
        established = candidate;
        onProgress?.(1, "Ready");
        return { ...started, backend: { ...started.backend, rejected: attempts } };
      }
      started.analyzer.dispose();
      const { mfcc, encodings } = started.backend.selfTest;
      const off = Object.entries({ MFCC: mfcc, ...encodings }).map(
        ([stage, difference]) => `${difference.toPrecision(2)} in ${stage}`,
      );
      attempts.push(`${describe(candidate)}: off by ${off.join(", ")}`);
    } catch (error) {
      if (error instanceof BundleError) throw error;
      attempts.push(`${describe(candidate)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new BackendError(attempts);
}

/** Start one candidate and run the self-test on it; null when the browser does not support it. */
async function tryCandidate(
  candidate: Candidate,
  bundle: Bundle,
  graphs: BundleGraphs,
  goldens: GoldenValues,
): Promise<{ analyzer: Analyzer; backend: Omit<Backend, "rejected"> } | null> {
  const threads = await activate(candidate);
  if (threads === null) return null;
  const analyzer = await Analyzer.create(bundle, graphs);
  try {
    const result = selfTest(bundle, analyzer, goldens);
    const simd = candidate.name === "wasm" && candidate.simd;
    return { analyzer, backend: { name: candidate.name, simd, threads, selfTest: result } };
  } catch (error) {
    analyzer.dispose();
    throw error;
  }
}

/** Make it the current backend. @returns its threads, or null when the browser does not support it */
async function activate(candidate: Candidate): Promise<number | null> {
  if (candidate.name === "cpu") {
    await import("@tensorflow/tfjs-backend-cpu");
    await tf.setBackend("cpu");
    return 1;
  }
  const wasm = await import("./wasm");
  if (candidate === established) return wasm.threadsOf(candidate);
  return (await wasm.isWasmSupported(candidate)) ? wasm.startWasm(candidate) : null;
}

function candidates(maxThreads: number | undefined): Candidate[] {
  const cores = navigator.hardwareConcurrency;
  const threads = Math.min(maxThreads ?? cores - SPARE_CORES, cores, MAX_THREADS);
  return [
    ...(threads > 1 ? [{ name: "wasm", simd: true, threads } as const] : []),
    { name: "wasm", simd: true, threads: 1 },
    { name: "wasm", simd: false, threads: 1 },
    { name: "cpu" },
  ];
}

function describe(candidate: Candidate): string {
  if (candidate.name === "cpu") return "JavaScript";
  return `WASM${candidate.simd ? " SIMD" : ""}, threads: ${candidate.threads}`;
}
