/** What the check page measures, as it reports it: its JSON is read by `tfdeepviz validate` and benchmarks/browser.mjs. */
/** The backends that can be asked for, in the order in which they run. */
export const BACKENDS = ["wasm", "webgl", "webgpu"] as const;
export type CheckedBackend = (typeof BACKENDS)[number];

/** Largest absolute differences from the goldens. */
export interface Differences {
  readonly mfcc: number;
  /** By the encoder's name. */
  readonly encodings: Readonly<Record<string, number>>;
  /** By the name of each encoder that tells them. */
  readonly genres: Readonly<Record<string, number>>;
  readonly tags: Readonly<Record<string, number>>;
  /** Of the default mapping. Null where the backend failed before. */
  readonly parameters: number | null;
}

/** All encoders at another step than their own. */
export interface HopTime {
  readonly hop_seconds: number;
  readonly ms_per_second: number;
}

export interface BackendReport {
  readonly name: CheckedBackend;
  /** `unsupported`: this browser or device lacks it; `failed`: it throws, or its numbers are off. */
  readonly status: "ok" | "unsupported" | "failed";
  /** Why it is not ok; of one that is, the faster variants of it that failed. */
  readonly reason: string;
  readonly simd: boolean;
  readonly threads: number;
  readonly differences: Differences | null;
  /** The bundle, as far as the browser's cache does not have it. */
  readonly download_ms: number | null;
  /** Of the bundle without compression, whether it came from the network or the cache. */
  readonly download_bytes: number | null;
  /** Starting the backend (its code included), building the graphs and the self-test. */
  readonly load_ms: number | null;
  /** From a track's samples to its first parameters, warm. */
  readonly first_result_ms: number | null;
  /** The same from nothing on: worker, download, backend, self-test, first block. */
  readonly cold_first_result_ms: number | null;
  /** For one second of audio, from samples to encodings, all encoders at their own step, warm. */
  readonly ms_per_second: number | null;
  readonly at_hops: readonly HopTime[];
  /** Of page, worker and backend together when the track has been analysed; null where the browser does not tell. */
  readonly peak_bytes: number | null;
  /** Of the backend alone: WebAssembly's memory or that on the graphics card. */
  readonly backend_bytes: number | null;
}

export interface Report {
  readonly user_agent: string;
  readonly cores: number;
  readonly isolated: boolean;
  readonly bundle: string;
  readonly audio_seconds: number | null;
  readonly backends: readonly BackendReport[];
}

/** What one backend's worker reports. */
export interface Measured extends BackendReport {
  readonly audio_seconds: number | null;
}

/** The report on a backend that came to nothing. */
export function nothing(name: CheckedBackend, status: "unsupported" | "failed", reason = ""): Measured {
  return {
    name,
    status,
    reason,
    simd: false,
    threads: 1,
    differences: null,
    download_ms: null,
    download_bytes: null,
    load_ms: null,
    first_result_ms: null,
    cold_first_result_ms: null,
    ms_per_second: null,
    at_hops: [],
    peak_bytes: null,
    backend_bytes: null,
    audio_seconds: null,
  };
}
