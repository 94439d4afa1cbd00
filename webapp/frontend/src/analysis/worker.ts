/** The analysis worker: loads the bundle, picks the backend, computes the blocks that it is given. */
import { loadBundle } from "../bundle";
import type { Analyzer } from "./analyzer";
import { startAnalyzer } from "./backend";
import { toWire, type Reply, type Request } from "./messages";

let analyzer: Analyzer | undefined;

self.onmessage = (event: MessageEvent<Request>) => {
  const request = event.data;
  if (request.kind === "start") {
    start(request.bundleUrl, request.maxThreads).catch((error: unknown) =>
      reply({ kind: "failed", id: null, error: toWire(error) }),
    );
    return;
  }
  compute(request).catch((error: unknown) => reply({ kind: "failed", id: request.id, error: toWire(error) }));
};

async function start(bundleUrl: string, maxThreads: number | undefined): Promise<void> {
  const bundle = await loadBundle(bundleUrl);
  const started = await startAnalyzer(bundle, {
    onProgress: (fraction, what) => reply({ kind: "progress", fraction, what }),
    ...(maxThreads !== undefined && { maxThreads }),
  });
  analyzer = started.analyzer;
  reply({ kind: "ready", bundle, backend: started.backend });
}

async function compute(request: Exclude<Request, { kind: "start" }>): Promise<void> {
  if (analyzer === undefined) throw new Error("the worker has not been started");
  const { id, kind } = request;
  if (kind === "peak") {
    reply({ kind: "peak", id, peakDb: await analyzer.peakDb(request.pcm) });
    return;
  }
  const result = await analyzer.encode(request);
  reply(
    { kind: "encoded", id, ...result },
    result.blocks.flatMap(({ encodings, genres, tags }) =>
      [encodings, genres, tags].flatMap((values) => (values ? [values.buffer] : [])),
    ),
  );
}

function reply(message: Reply, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}
