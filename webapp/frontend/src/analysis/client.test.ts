import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Bundle } from "../bundle";
import { AnalysisClient } from "./client";
import type { Reply, Request } from "./messages";

const bundle = {
  audio: { sampleRateHz: 100, hopLength: 4, floorDb: -40, topDb: null },
  frontend: { padSamples: 4, overlapHops: 1 },
  encoders: [
    { name: "toy", windowFrames: 3, windowSeconds: 0.12, stepSeconds: 0.08, timeOffsetSeconds: 0.04 },
  ],
} as unknown as Bundle;

class FakeWorker {
  static all: FakeWorker[] = [];
  onmessage: ((event: { data: Reply }) => void) | null = null;
  onerror: ((event: { message: string }) => void) | null = null;
  onmessageerror: (() => void) | null = null;
  readonly asked: Request[] = [];
  readonly terminate = vi.fn();

  constructor() {
    FakeWorker.all.push(this);
  }
  postMessage(request: Request): void {
    this.asked.push(request);
  }
  reply(data: Reply): void {
    this.onmessage?.({ data });
  }
  ready(): void {
    this.reply({ kind: "ready", bundle, backend: {} as never });
  }
}

beforeEach(() => {
  FakeWorker.all = [];
  vi.stubGlobal("Worker", FakeWorker);
  vi.stubGlobal("location", { href: "http://toy.test/" });
});
afterEach(() => void vi.unstubAllGlobals());

const pcm = { samples: new Float32Array(500), sampleRateHz: 100 };
const latest = () => FakeWorker.all.at(-1)!;

async function start(): Promise<AnalysisClient> {
  const starting = AnalysisClient.start("registry/toy/1/");
  latest().ready();
  return starting;
}

it.each<[string, (worker: FakeWorker) => void, RegExp]>([
  [
    "dies",
    (worker) => worker.onerror?.({ message: "Uncaught TypeError: x is null" }),
    /says “Uncaught .*Try again/,
  ],
  [
    "dies without a word",
    (worker) => worker.onerror?.({ message: "" }),
    /^The analysis stopped unexpectedly\. Try/,
  ],
  ["says what nobody can read", (worker) => worker.onmessageerror?.(), /could not be read/],
  [
    "has no memory",
    (worker) => worker.onerror?.({ message: "RangeError: Array buffer allocation failed" }),
    /of memory/,
  ],
])("takes a worker that %s for dead, and another one works", async (_, die, message) => {
  const client = await start();
  const analysis = client.analyze(pcm, { onBlock: () => undefined });
  die(latest());
  await expect(analysis).rejects.toThrow(message);
  await expect(client.analyze(pcm, { onBlock: () => undefined })).rejects.toMatchObject({
    name: "AnalysisError",
  });
  const fresh = await start();
  expect(FakeWorker.all).toHaveLength(2);
  void fresh.analyze(pcm, { onBlock: () => undefined }).catch(() => undefined);
  expect(latest().asked.at(-1)?.kind).toBe("encode");
  fresh.dispose();
});

it("ends the worker of a start that failed", async () => {
  const starting = AnalysisClient.start("registry/toy/1/");
  latest().onerror?.({ message: "" });
  await expect(starting).rejects.toMatchObject({ name: "AnalysisError" });
  expect(latest().terminate).toHaveBeenCalled();
});

it("ends the worker of a start that is no longer wanted", async () => {
  const abort = new AbortController();
  const starting = AnalysisClient.start("registry/toy/1/", undefined, { signal: abort.signal });
  expect(latest().asked).toEqual([{ kind: "start", bundleUrl: "http://toy.test/registry/toy/1/" }]);
  abort.abort();
  await expect(starting).rejects.toMatchObject({ name: "AbortError" });
  expect(latest().terminate).toHaveBeenCalled();
  await expect(
    AnalysisClient.start("registry/toy/1/", undefined, { signal: abort.signal }),
  ).rejects.toMatchObject({ name: "AbortError" });
  expect(FakeWorker.all).toHaveLength(1);
});

it("takes no sound at another rate than the model's", async () => {
  const client = await start();
  const other = { samples: new Float32Array(5000), sampleRateHz: 22050 };
  await expect(client.analyze(other, { onBlock: () => undefined })).rejects.toThrow(
    "100 Hz, not at 22050 Hz",
  );
  expect(latest().asked).toHaveLength(1);
});
