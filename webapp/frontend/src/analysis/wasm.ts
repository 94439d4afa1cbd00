/**
 * TensorFlow.js' WASM backend, started by hand.
 *
 * Its own start-up hands the threads their program as `blob:` scripts made from `function.toString()`: minifiers break
 * that, and a content security policy without `script-src blob:` refuses it. Here the threads load the same file from
 * our own origin, the number of threads is chosen rather than guessed, and a variant that does not start is an error
 * instead of a promise that never settles.
 *
 * The threaded binary that TensorFlow.js 4.22.0 publishes takes every machine for one with a single core, so that its
 * pool never has more than one thread, whatever `setThreadsCount` says; `allowThreads` corrects the number.
 */
import { BackendWasm, getThreadsCount, setThreadsCount, version_wasm } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import singleFactory from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js";
import plainWasmUrl from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.wasm?url";
import simdWasmUrl from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm?url";

/** Loading half a megabyte and starting threads takes well under a second; a blocked one never ends. */
const START_TIMEOUT_MS = 15_000;

export interface WasmVariant {
  readonly simd: boolean;
  /** 1: the binary without threads. */
  readonly threads: number;
}

/** The parts of Emscripten's module that are used. */
interface Module {
  cwrap(
    name: string,
    result: "number" | null,
    parameters: readonly "number"[],
  ): (...args: number[]) => number;
  readonly HEAPU8: Uint8Array;
  PThread?: { terminateAllThreads(): void };
  tfjs?: unknown;
}

interface FactoryConfig {
  mainScriptUrlOrBlob?: string;
  locateFile: (path: string) => string;
  onAbort: () => void;
}

type Factory = (config: FactoryConfig) => Promise<Module>;

let running: Module | undefined;

/** Whether this browser runs the variant's instructions, and shares memory for its threads. */
export async function isWasmSupported({ simd, threads }: WasmVariant): Promise<boolean> {
  if (simd && !(await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT"))) return false;
  if (threads === 1) return true;
  // Without cross-origin isolation there is no shared memory, whatever the processor can do.
  return globalThis.crossOriginIsolated && Boolean(await tf.env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT"));
}

/**
 * Make the variant TensorFlow.js' current backend.
 *
 * @returns the number of threads that its pool really has
 * @throws Error when it cannot be started
 */
export async function startWasm(variant: WasmVariant): Promise<number> {
  const module = await instantiate(variant);
  if (variant.threads > 1) allowThreads(module, variant.threads);
  tf.removeBackend("wasm");
  setThreadsCount(variant.threads);
  tf.registerBackend("wasm", () => {
    // The same object that tfjs' own `init` attaches.
    module.tfjs = {
      init: module.cwrap("init", null, []),
      initWithThreadsCount: module.cwrap("init_with_threads_count", null, ["number"]),
      getThreadsCount: module.cwrap("get_threads_count", "number", []),
      registerTensor: module.cwrap("register_tensor", null, ["number", "number", "number"]),
      disposeData: module.cwrap("dispose_data", null, ["number"]),
      dispose: module.cwrap("dispose", null, []),
    };
    return new BackendWasm(module as unknown as BackendWasm["wasm"]);
  });
  if (!(await tf.setBackend("wasm"))) throw new Error("TensorFlow.js refused the WASM backend");
  const threads = variant.threads === 1 ? 1 : getThreadsCount();
  if (threads !== variant.threads) throw new Error(`the pool has ${threads} instead`);
  running = module;
  return threads;
}

/** Memory of the variant that runs: it grows with the largest block and never shrinks. */
export function wasmHeapBytes(): number {
  return running?.HEAPU8.buffer.byteLength ?? 0;
}

/**
 * Where the threaded binary of this very version keeps the limits of its pool, as byte addresses of int32: it clamps
 * the number of threads to `min ... max` and to the number of cores, which should come from the browser but was
 * compiled in as 1 (`__EMSCRIPTEN_PTHREADS__` was not defined for backend.cc).
 */
const POOL_LIMITS = { version: "4.22.0", cores: 0x5c10, min: 0x5aa0, max: 0x5aa4 };

/** Tell the binary how many cores there are. Leaves any other binary than the known one alone. */
function allowThreads(module: Module, cores: number): void {
  const heap = new Int32Array(module.HEAPU8.buffer);
  const at = (address: number) => heap[address / Int32Array.BYTES_PER_ELEMENT];
  const isKnown = at(POOL_LIMITS.cores) === 1 && at(POOL_LIMITS.min) === 1 && at(POOL_LIMITS.max) === 8;
  if (version_wasm !== POOL_LIMITS.version || !isKnown) return;
  heap[POOL_LIMITS.cores / Int32Array.BYTES_PER_ELEMENT] = cores;
}

async function instantiate({ simd, threads }: WasmVariant): Promise<Module> {
  const config: FactoryConfig & Pick<Module, "PThread"> = {
    locateFile: () => (simd ? simdWasmUrl : plainWasmUrl),
    onAbort: () => undefined,
  };
  let factory = singleFactory as unknown as Factory;
  let workerUrl: string | undefined;
  if (threads > 1) {
    const threaded = await import("./wasm-threads");
    factory = threaded.factory as unknown as Factory;
    workerUrl = URL.createObjectURL(new Blob([escaped(threaded.workerSource)], { type: "text/javascript" }));
    const url = workerUrl;
    config.mainScriptUrlOrBlob = new URL(threaded.mainScriptUrl, location.href).href;
    config.locateFile = (path) => (path.endsWith(".wasm") ? threaded.wasmUrl : url);
  }
  const settled = new AbortController();
  try {
    return await Promise.race([failure(config, settled.signal), factory(config)]);
  } catch (error) {
    config.PThread?.terminateAllThreads(); // Emscripten keeps its threads on the object that it was given
    throw error;
  } finally {
    settled.abort();
    if (workerUrl !== undefined) URL.revokeObjectURL(workerUrl);
  }
}

/** Rejects when the module does not start: Emscripten itself would leave its promise open for most reasons. */
function failure(config: FactoryConfig, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    config.onAbort = () => reject(new Error("the WASM binary could not be loaded"));
    // A thread that fails to start throws here, in nobody's promise.
    globalThis.addEventListener(
      "error",
      (event) => {
        event.preventDefault();
        reject(new Error(`a WASM thread did not start (${event.message})`));
      },
      { signal },
    );
    AbortSignal.timeout(START_TIMEOUT_MS).addEventListener(
      "abort",
      () => reject(new Error("the WASM binary or its threads did not start in time")),
      { signal },
    );
  });
}

/** The package keeps the script as text in which line breaks inside of its strings have become real ones. */
function escaped(source: string): string {
  return source.replaceAll("\n", "\\n");
}
