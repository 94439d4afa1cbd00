import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, expect, it, vi } from "vitest";
import type { Bundle } from "../bundle";
import { TOY_URL, toyFetch, toyFiles } from "../testing/toy-bundle";
import { encodeRequest } from "./analyzer";
import type { Reply, Request } from "./messages";

// The choice of a backend needs a browser; what it starts does not.
vi.mock("./backend", async () => {
  const { Analyzer, loadGraphs } = await import("./analyzer");
  return {
    BackendError: Error,
    startAnalyzer: async (bundle: Bundle) => ({
      analyzer: await Analyzer.create(bundle, await loadGraphs(bundle)),
      backend: {},
    }),
  };
});

afterEach(() => void vi.unstubAllGlobals());

it("hands over encodings, genres and tags without a copy", async () => {
  await tf.setBackend("cpu");
  vi.stubGlobal("fetch", toyFetch(await toyFiles({ wide: true, tagger: true })));
  const posted: [Reply, Transferable[]][] = [];
  const scope = {
    onmessage: (event: { data: Request }): void => expect.unreachable(event.data.kind),
    postMessage: (reply: Reply, { transfer }: { transfer: Transferable[] }) =>
      void posted.push([reply, transfer]),
  };
  vi.stubGlobal("self", scope);
  await import("./worker");
  scope.onmessage({ data: { kind: "start", bundleUrl: TOY_URL } });
  const bundle = await vi.waitFor(() => {
    const reply = posted.at(-1)?.[0];
    if (reply?.kind !== "ready") throw new Error("not ready");
    return reply.bundle;
  });

  const pcm = new Float32Array(300).fill(0.1);
  const runs = bundle.encoders.map(({ name }) => ({ encoder: name, first: 0, count: 2 }));
  scope.onmessage({ data: { kind: "encode", id: 7, ...encodeRequest(bundle, pcm, runs, -40) } });
  const [reply, transfer] = await vi.waitFor(() => {
    const [last, transferred] = posted.at(-1)!;
    if (last.kind !== "encoded") throw new Error("not encoded");
    return [last, transferred] as const;
  });
  const [wide, tagger, toy] = reply.blocks;
  expect(wide!.genres).toBeUndefined();
  expect(tagger!.genres).toHaveLength(6);
  const { encodings, genres, tags } = tagger!;
  const buffers = [wide!.encodings, encodings, genres!, tags!, toy!.encodings].map(({ buffer }) => buffer);
  expect(transfer).toEqual(buffers);
  const received = structuredClone(reply, { transfer });
  expect(received.blocks[1]!.tags).toHaveLength(8);
  expect(tags).toHaveLength(0);
});
