/** A worker for one backend: it is told what to measure, asks the page for what only a page can do, and reports. */
import { backendBytes, candidatesOf } from "./backends";
import { measure } from "./measure";
import { nothing, type CheckedBackend, type Measured } from "./report";

export type Request =
  | {
      readonly kind: "measure";
      readonly bundleUrl: string;
      readonly backend: CheckedBackend;
      readonly isTimed: boolean;
      readonly hops: readonly number[];
    }
  | { readonly kind: "track"; readonly pcm: Float32Array | null }
  | { readonly kind: "memory"; readonly bytes: number | null };

export type Reply =
  | { readonly kind: "progress"; readonly what: string }
  /** Asks for the track at this rate. */
  | { readonly kind: "track"; readonly sampleRateHz: number }
  /** Asks for the memory of page and worker. */
  | { readonly kind: "memory" }
  | { readonly kind: "measured"; readonly measured: Measured };

/** Hands over the page's answer; one question is open at a time. */
let answer: ((request: Request) => void) | undefined;

self.onmessage = ({ data }: MessageEvent<Request>) => {
  if (data.kind !== "measure") {
    answer?.(data);
    return;
  }
  const { bundleUrl, backend, isTimed, hops } = data;
  measure({
    bundleUrl,
    backend,
    candidates: candidatesOf(backend),
    isTimed,
    hops,
    track: async ({ audio: { sampleRateHz } }) => {
      const given = await ask({ kind: "track", sampleRateHz });
      return given.kind === "track" ? given.pcm : null;
    },
    pageBytes: async () => {
      const given = await ask({ kind: "memory" });
      return given.kind === "memory" ? given.bytes : null;
    },
    backendBytes,
    onProgress: (what) => reply({ kind: "progress", what }),
  })
    .catch((error: unknown) =>
      nothing(backend, "failed", error instanceof Error ? error.message : String(error)),
    )
    .then((measured) => reply({ kind: "measured", measured }))
    .catch((error: unknown) => reportError(error));
};

function ask(question: Reply): Promise<Request> {
  return new Promise((resolve) => {
    answer = resolve;
    reply(question);
  });
}

function reply(message: Reply): void {
  self.postMessage(message);
}
