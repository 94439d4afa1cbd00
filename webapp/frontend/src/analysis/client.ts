/** The page's side of the analysis worker. */
import { untilAborted } from "../abort";
import type { Bundle } from "../bundle";
import type { EncodingBlock } from "../mapping/track";
import type { EncodeRequest } from "./analyzer";
import type { Backend } from "./backend";
import { AnalysisError, fromWire, type Reply, type Request } from "./messages";
import { samplesFor, type Pcm } from "./pcm";
import { TrackAnalysis, type AnalysisOptions, type BlockExecutor } from "./run";

export { BackendError, type Backend } from "./backend";
export { AnalysisError } from "./messages";
export type { Pcm } from "./pcm";
export type { AnalysisOptions } from "./run";
export { TrackTooShortError, timeAxis, type TimeAxis } from "./segments";
export type { EncodingBlock } from "../mapping/track";

/** Blocks in the worker's hands: one that it computes and one that waits, so that it never idles. */
const DEPTH = 2;

export interface StartOptions {
  /** So many WASM threads if there are as many cores; unless told, one core is left to the page. */
  readonly maxThreads?: number;
  /** The model is no longer wanted: its worker ends. */
  readonly signal?: AbortSignal;
}

/** How long the stages took, summed over the blocks since the last `analyze`. */
export interface StageTimes {
  frontendMs: number;
  encoderMs: number;
}

type Answer = Extract<Reply, { kind: "peak" | "encoded" }>;

interface Pending {
  readonly resolve: (reply: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** One bundle, ready in a worker. */
export class AnalysisClient {
  /** Validated manifest, mappings and goldens: plain data. */
  readonly bundle: Bundle;
  readonly backend: Backend;
  readonly times: StageTimes = { frontendMs: 0, encoderMs: 0 };
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private failure: Error | undefined;
  private current: { readonly analysis: TrackAnalysis; readonly abort: AbortController } | undefined;

  private constructor(
    private readonly worker: Worker,
    { bundle, backend }: Extract<Reply, { kind: "ready" }>,
  ) {
    this.bundle = bundle;
    this.backend = backend;
    worker.onmessage = (event: MessageEvent<Reply>) => this.receive(event.data);
    worker.onerror = (event) => this.fail(new AnalysisError(event.message));
    worker.onmessageerror = () =>
      this.fail(new AnalysisError("A message from the worker could not be read."));
  }

  /**
   * Start a worker: it loads the bundle, picks a backend and proves it on the bundle's goldens.
   *
   * @param bundleUrl the bundle's folder
   * @throws BundleError when the bundle cannot be used
   * @throws BackendError when no backend computes what it should
   * @throws AnalysisError when the worker cannot be started
   * @throws the signal's reason when it is aborted
   */
  static async start(
    bundleUrl: string,
    onProgress?: (fraction: number, what: string) => void,
    { signal, ...options }: StartOptions = {},
  ): Promise<AnalysisClient> {
    signal?.throwIfAborted();
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const ready = new Promise<AnalysisClient>((resolve, reject) => {
      worker.onerror = (event) => reject(new AnalysisError(event.message));
      worker.onmessage = ({ data }: MessageEvent<Reply>) => {
        if (data.kind === "progress") onProgress?.(data.fraction, data.what);
        else if (data.kind === "ready") resolve(new AnalysisClient(worker, data));
        else if (data.kind === "failed") reject(fromWire(data.error));
      };
      post(worker, { kind: "start", bundleUrl: new URL(bundleUrl, location.href).href, ...options });
    });
    try {
      return await untilAborted(ready, signal);
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  /**
   * Encode a track with every encoder of the bundle. One track at a time: a second call ends the first one with an
   * AbortError. The samples stay here; the worker is given copies of the stretches that it works on.
   *
   * @param pcm at the bundle's rate
   * @throws RangeError when it is at another rate
   * @throws TrackTooShortError when nothing can be made of the track
   * @throws DOMException AbortError (or the signal's reason) when it is aborted
   * @throws AnalysisError when the worker fails
   */
  async analyze(pcm: Pcm, options: AnalysisOptions): Promise<void> {
    this.current?.abort.abort();
    const abort = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
    const analysis = new TrackAnalysis(this.bundle, samplesFor(this.bundle, pcm), { ...options, signal });
    const current = { analysis, abort };
    this.current = current;
    this.times.frontendMs = 0;
    this.times.encoderMs = 0;
    try {
      await untilAborted(analysis.run(this.executor()), signal);
    } finally {
      abort.abort(); // lets go of the caller's signal
      if (this.current === current) this.current = undefined;
    }
  }

  /** Analyse from here first, after a seek; then wrap round to what is missing. */
  focus(timeSeconds: number): void {
    this.current?.analysis.focus(timeSeconds);
  }

  /**
   * Encode one stretch, which need not belong to a track that `analyze` works on: what live input needs. Stretches are
   * encoded one after the other, in the order of the calls.
   *
   * @param stretch its samples are handed over and cannot be used afterwards
   * @returns a block for each of its runs
   * @throws AnalysisError when the worker fails
   */
  async encode(stretch: EncodeRequest): Promise<readonly EncodingBlock[]> {
    const request = { kind: "encode", id: this.nextId++, ...stretch } as const;
    const answer = await this.request(request, stretch.pcm.buffer);
    if (answer.kind !== "encoded") throw new AnalysisError("The worker answered another question.");
    this.times.frontendMs += answer.frontendMs;
    this.times.encoderMs += answer.encoderMs;
    return answer.blocks;
  }

  /**
   * The largest log-mel value of a stretch, for bundles whose floor hangs on it (`topDb`).
   *
   * @param pcm shape [n], n a multiple of the hop length; handed over like those of `encode`
   * @throws AnalysisError when the worker fails
   */
  async peakDb(pcm: Float32Array<ArrayBuffer>): Promise<number> {
    const answer = await this.request({ kind: "peak", id: this.nextId++, pcm }, pcm.buffer);
    return answer.kind === "peak" ? answer.peakDb : NaN;
  }

  /** End the worker and whatever it does. */
  dispose(): void {
    this.current?.abort.abort();
    this.worker.terminate();
    this.fail(new DOMException("The model was put away.", "AbortError"));
  }

  private executor(): BlockExecutor {
    return {
      depth: DEPTH,
      peakDb: (pcm) => this.peakDb(pcm),
      encode: (stretch) => this.encode(stretch),
    };
  }

  private request(request: Exclude<Request, { kind: "start" }>, pcm: ArrayBuffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) {
        reject(this.failure);
        return;
      }
      this.pending.set(request.id, { resolve, reject });
      post(this.worker, request, [pcm]);
    });
  }

  private receive(reply: Reply): void {
    if (reply.kind === "failed") {
      const error = fromWire(reply.error);
      if (reply.id === null) this.fail(error);
      else this.take(reply.id)?.reject(error);
    } else if (reply.kind === "peak" || reply.kind === "encoded") {
      this.take(reply.id)?.resolve(reply);
    }
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    return pending;
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }
}

function post(worker: Worker, request: Request, transfer: Transferable[] = []): void {
  worker.postMessage(request, transfer);
}
