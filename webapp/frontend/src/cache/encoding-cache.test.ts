import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ONSETS, streamsOf } from "../analysis/onsets";
import { timeAxis } from "../analysis/segments";
import { loadBundle, type Bundle } from "../bundle";
import type { EncodingBlock } from "../mapping/track";
import { collector, TOY_URL, toyFetch, toyFiles } from "../testing/toy-bundle";
import { cachedAnalyst, type CacheableAnalyst } from "./cached-analyst";
import { EncodingCache } from "./encoding-cache";
import { encodingKey } from "./key";
import type { CacheStore, Use } from "./store";

const FULL = new DOMException("full", "QuotaExceededError");

class MemoryStore implements CacheStore {
  readonly kept = new Map<string, { use: unknown; value: unknown }>();
  broken = false;
  /** Entries that there is room for. */
  room = Infinity;

  uses(): Promise<unknown[]> {
    return this.#answer(() => [...this.kept.values()].map(({ use }) => use));
  }
  read(key: string): Promise<unknown> {
    return this.#answer(() => structuredClone(this.kept.get(key)?.value));
  }
  write(use: Use, value: unknown): Promise<void> {
    if (!this.kept.has(use.key) && this.kept.size >= this.room) return Promise.reject(FULL);
    return this.#answer(() => void this.kept.set(use.key, { use, value: structuredClone(value) }));
  }
  touch(use: Use): Promise<void> {
    return this.#answer(() => void this.kept.set(use.key, { ...this.kept.get(use.key)!, use }));
  }
  remove(key: string): Promise<void> {
    return this.#answer(() => void this.kept.delete(key));
  }
  clear(): Promise<void> {
    return this.#answer(() => this.kept.clear());
  }
  #answer<T>(run: () => T): Promise<T> {
    return this.broken ? Promise.reject(FULL) : Promise.resolve(run());
  }
}

let bundle: Bundle;
let store: MemoryStore;
let cache: EncodingCache;

beforeAll(async () => {
  vi.stubGlobal("fetch", toyFetch(await toyFiles({ wide: true, classifier: true, tagger: true })));
  bundle = await loadBundle(TOY_URL);
});
beforeEach(() => {
  store = new MemoryStore();
  cache = new EncodingCache(store);
});
afterEach(() => void vi.useRealTimers());

const track = (seed: number, length = 400) => Float32Array.from({ length }, (_, i) => Math.sin(i * seed));

/** Every stream's encodings, in two blocks each. */
function blocksFor(pcm: Float32Array, value = 1): EncodingBlock[] {
  return streamsOf(bundle).flatMap((encoder) => {
    const { name, encodingSize: size, genres, tags } = encoder;
    const { count } = timeAxis(bundle.audio, encoder, pcm.length);
    return [
      [2, count - 2],
      [0, 2],
    ].map(([first = 0, n = 0]) => ({
      encoder: name,
      first,
      count: n,
      size,
      encodings: Float32Array.from({ length: n * size }, (_, i) => value + first * size + i),
      ...(genres && { genres: new Float32Array(n * genres.length).fill(0.25) }),
      ...(tags && { tags: new Float32Array(n * tags.names.length).fill(0.5) }),
    }));
  });
}

const without = (kept: object, name: string): unknown =>
  Object.fromEntries(Object.entries(kept).filter(([key]) => key !== name));

describe("EncodingCache", () => {
  it("gives back what a track was kept with, in one block for each stream", async () => {
    const pcm = track(1);
    expect(await cache.read(bundle, pcm)).toBeNull();
    await cache.write(bundle, pcm, blocksFor(pcm));
    const blocks = (await cache.read(bundle, pcm))!;
    expect(blocks.map(({ encoder, first }) => [encoder, first])).toEqual([
      ["wide", 0],
      ["tagger", 0],
      ["toy", 0],
      [ONSETS, 0],
    ]);
    for (const { encodings, count, size, genres, tags, encoder } of blocks) {
      expect([...encodings]).toEqual(Array.from({ length: count * size }, (_, i) => 1 + i));
      expect(genres?.length).toBe(["tagger", "toy"].includes(encoder) ? 3 * count : undefined);
      expect(tags?.length).toBe(encoder === "tagger" ? 4 * count : undefined);
    }
    expect(await cache.read(bundle, track(2))).toBeNull();
    expect(cache.counts).toEqual({ hits: 1, misses: 2, refused: 0, failed: 0 });
  });

  it("keeps nothing of a track that is not wholly analysed", async () => {
    const pcm = track(1);
    for (const blocks of [[], blocksFor(pcm).slice(1), blocksFor(pcm).filter((b) => b.encoder === "toy")]) {
      await cache.write(bundle, pcm, blocks);
    }
    expect(store.kept.size).toBe(0);
  });

  it("lets what was used least recently go when there is no more room", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const tracks = [1, 2, 3].map((seed) => track(seed));
    const [a, b, c] = tracks as [Float32Array, Float32Array, Float32Array];
    await cache.write(bundle, a, blocksFor(a));
    const one = (await cache.sizeBytes())!;
    expect(one).toBeGreaterThan(100);
    cache = new EncodingCache(store, { maxBytes: 2 * one });
    vi.setSystemTime(Date.now() + 1000);
    await cache.write(bundle, b, blocksFor(b));
    vi.setSystemTime(Date.now() + 1000);
    expect(await cache.read(bundle, a)).not.toBeNull();
    vi.setSystemTime(Date.now() + 1000);
    await cache.write(bundle, c, blocksFor(c));
    expect(await cache.sizeBytes()).toBe(2 * one);
    const known = await Promise.all(tracks.map(async (pcm) => (await cache.read(bundle, pcm)) !== null));
    expect(known).toEqual([true, false, true]);

    await new EncodingCache(store, { maxBytes: one - 1 }).write(bundle, b, blocksFor(b));
    expect(await cache.sizeBytes()).toBe(2 * one);
    await cache.clear();
    expect(await cache.sizeBytes()).toBe(0);
  });

  it.each<[string, (kept: Record<string, { encodings: unknown; genres: unknown }>) => unknown]>([
    ["nothing", () => null],
    ["a text", () => "encodings"],
    ["no encoder", () => ({})],
    ["an encoder less", (kept) => without(kept, "wide")],
    ["no onsets, as those of before", (kept) => without(kept, ONSETS)],
    ["too few numbers", ({ toy, ...rest }) => ({ ...rest, toy: { ...toy, encodings: new Float32Array(3) } })],
    ["other numbers", ({ toy, ...rest }) => ({ ...rest, toy: { ...toy, encodings: [1, 2, 3] } })],
    ["no genres", ({ toy, ...rest }) => ({ ...rest, toy: { encodings: toy!.encodings } })],
    ["no tags", ({ tagger, ...rest }) => ({ ...rest, tagger: without(tagger!, "tags") })],
    ["a number that is none", (kept) => ((kept.wide!.encodings as Float32Array).fill(NaN, 3, 4), kept)],
  ])("drops an entry that holds %s", async (_, damage) => {
    const pcm = track(1);
    await cache.write(bundle, pcm, blocksFor(pcm));
    for (const entry of store.kept.values()) entry.value = damage(entry.value as never);
    expect(await cache.read(bundle, pcm)).toBeNull();
    expect(store.kept.size).toBe(0);
    expect(cache.counts.refused).toBe(1);
  });

  it.each([null, {}, { key: "a", bytes: -1, usedMs: 0 }, { key: "a", bytes: 1, usedMs: "now" }])(
    "begins anew when it is not known what there is: %o",
    async (use) => {
      store.kept.set("a", { use, value: 1 });
      expect(await cache.sizeBytes()).toBe(0);
      expect(store.kept.size).toBe(0);
      expect(cache.counts.refused).toBe(1);
    },
  );

  it("does without where there is no storage", async () => {
    const pcm = track(1);
    store.broken = true;
    await cache.write(bundle, pcm, blocksFor(pcm));
    expect(await cache.read(bundle, pcm)).toBeNull();
    expect(await cache.sizeBytes()).toBeNull();
    await cache.clear();
    expect(cache.counts).toEqual({ hits: 0, misses: 0, refused: 0, failed: 4 });
  });
});

describe("a disk without room", () => {
  it("takes the new track for the old ones, and is told of only when that does not help, once", async () => {
    const onFull = vi.fn();
    cache = new EncodingCache(store, { onFull });
    store.room = 1;
    await cache.write(bundle, track(1), blocksFor(track(1)));
    await cache.write(bundle, track(2), blocksFor(track(2)));
    expect(await cache.read(bundle, track(1))).toBeNull();
    expect(await cache.read(bundle, track(2))).not.toBeNull();
    expect(onFull).not.toHaveBeenCalled();
    store.room = 0;
    for (const seed of [3, 4]) await cache.write(bundle, track(seed), blocksFor(track(seed)));
    expect(onFull).toHaveBeenCalledTimes(1);
    expect(cache.counts.failed).toBe(2);
  });
});

describe("encodingKey", () => {
  it("hangs on the samples and on all that encodes them, and on nothing else", async () => {
    const pcm = track(1);
    const key = await encodingKey(bundle, pcm);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    const other = async (change: Partial<Bundle>) =>
      (await encodingKey({ ...bundle, ...change }, pcm)) !== key;
    expect(await other({ name: "renamed", version: 9, title: "T", created: "now" })).toBe(false);
    expect(await other({ files: { ...bundle.files, "card.md": { bytes: 1, sha256: "0" } } })).toBe(false);
    expect(await other({ audio: { ...bundle.audio, floorDb: -41 } })).toBe(true);
    expect(await other({ frontend: { ...bundle.frontend, digest: "0" } })).toBe(true);
    expect(await other({ encoders: bundle.encoders.slice(1) })).toBe(true);
    const shard = { "encoders/toy/shard.bin": { bytes: 48, sha256: "0" } };
    expect(await other({ files: { ...bundle.files, ...shard } })).toBe(true);
    expect(await encodingKey(bundle, pcm.subarray(1))).not.toBe(key);
    expect(await encodingKey(bundle, Float32Array.from(pcm))).toBe(key);
  });

  it("takes long tracks in pieces", async () => {
    const pcm = new Float32Array(2 ** 22 + 3);
    const key = await encodingKey(bundle, pcm);
    pcm[2 ** 22 + 1] = 1;
    expect(await encodingKey(bundle, pcm)).not.toBe(key);
  });

  it("is none without crypto.subtle", async () => {
    vi.stubGlobal("crypto", {});
    expect(await encodingKey(bundle, track(1))).toBeNull();
    expect(await cache.read(bundle, track(1))).toBeNull();
    await cache.write(bundle, track(1), blocksFor(track(1)));
    vi.unstubAllGlobals();
    expect(store.kept.size).toBe(0);
  });
});

describe("cachedAnalyst", () => {
  const pcmOf = (samples: Float32Array) => ({ samples, sampleRateHz: bundle.audio.sampleRateHz });

  /**
   * Analyses block by block until it is aborted.
   *
   * @param slow has nothing before that
   */
  function analystOf({ slow = false } = {}) {
    const analyze = vi.fn<CacheableAnalyst["analyze"]>(async (pcm, { signal, onBlock, onProgress }) => {
      for (const block of blocksFor(pcm.samples)) {
        await (slow
          ? new Promise((resolve) => signal?.addEventListener("abort", resolve))
          : Promise.resolve());
        signal?.throwIfAborted();
        onBlock(block);
      }
      onProgress?.(1);
    });
    const rest = {
      bundle,
      backend: "cpu",
      focus: vi.fn(),
      encode: vi.fn(),
      peakDb: vi.fn(),
      dispose: vi.fn(),
    };
    return { ...rest, analyze } as unknown as CacheableAnalyst & { analyze: typeof analyze };
  }

  it("knows a track that was heard before at once, and all of it", async () => {
    const pcm = pcmOf(track(1));
    const first = collector();
    await cachedAnalyst(analystOf(), cache).analyze(pcm, first);
    expect(first.blocks).toHaveLength(8);
    await vi.waitFor(() => expect(store.kept.size).toBe(1));

    const progress: number[] = [];
    const again = collector({ onProgress: (fraction) => progress.push(fraction) });
    const analyst = analystOf({ slow: true });
    await cachedAnalyst(analyst, cache).analyze(pcm, again);
    expect(again.blocks.map(({ first, count }) => [first, count])).toEqual(
      streamsOf(bundle).map((encoder) => [0, timeAxis(bundle.audio, encoder, pcm.samples.length).count]),
    );
    expect(progress).toEqual([1]);
    expect(analyst.analyze.mock.calls[0]![1].signal?.aborted).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(again.blocks).toHaveLength(4);
  });

  it("keeps nothing of an analysis that was ended, and tells why it ended", async () => {
    const abort = new AbortController();
    const running = cachedAnalyst(analystOf(), cache).analyze(pcmOf(track(1)), {
      signal: abort.signal,
      onBlock: () => abort.abort(new Error("enough")),
    });
    await expect(running).rejects.toThrow("enough");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(store.kept.size).toBe(0);
  });
});
