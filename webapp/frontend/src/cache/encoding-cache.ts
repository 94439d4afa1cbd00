import { streamsOf } from "../analysis/onsets";
import { timeAxis } from "../analysis/segments";
import { probabilitySizes, type Bundle, type ProbabilityName } from "../bundle";
import type { EncodingBlock } from "../mapping/track";
import { encodingKey } from "./key";
import { IndexedDbStore, type CacheStore, type Use } from "./store";

/** About 100 tracks of four minutes with the default model. */
const MAX_BYTES = 200 * 2 ** 20;

type Encoded = Pick<Bundle, "audio" | "frontend" | "encoders" | "files">;

export interface CacheOptions {
  /** Room for all entries. */
  readonly maxBytes?: number;
  /** The browser has no room for a track, not even without the others. Called once. */
  readonly onFull?: () => void;
}

/** What one stream has made of a track: the shapes follow from the bundle. */
interface Kept {
  readonly encodings: Float32Array;
  readonly genres?: Float32Array;
  readonly tags?: Float32Array;
}

/**
 * Encodings of tracks that were heard before, the least recently used of which go first when there is no more room.
 *
 * Nothing here fails: where the browser keeps nothing, or what it has kept is damaged, the track is analysed again. How
 * often that happened is counted, and that there is no room is told once.
 */
export class EncodingCache {
  readonly counts = {
    hits: 0,
    misses: 0,
    /** Entries that were damaged; they are dropped. */
    refused: 0,
    /** Calls that the storage did not answer: it is full, forbidden or gone. */
    failed: 0,
  };
  readonly #store: CacheStore;
  readonly #maxBytes: number;
  readonly #onFull: () => void;
  #isFullTold = false;
  /** Writing, one track after the other. */
  #writes: Promise<void> = Promise.resolve();

  constructor(
    store: CacheStore = new IndexedDbStore(),
    { maxBytes = MAX_BYTES, onFull = () => undefined }: CacheOptions = {},
  ) {
    this.#store = store;
    this.#maxBytes = maxBytes;
    this.#onFull = onFull;
  }

  /** @returns a block with all of a track's encodings for every encoder; null when they are not there */
  async read(bundle: Encoded, pcm: Float32Array): Promise<readonly EncodingBlock[] | null> {
    const key = await encodingKey(bundle, pcm);
    if (key === null) return null;
    return this.#attempt(null, async () => {
      const value = await this.#store.read(key);
      if (value === undefined) {
        this.counts.misses++;
        return null;
      }
      const blocks = blocksOf(bundle, pcm.length, value);
      if (blocks === null) {
        this.counts.refused++;
        await this.#store.remove(key);
        return null;
      }
      this.counts.hits++;
      await this.#attempt(undefined, () => this.#store.touch(useOf(key, blocks)));
      return blocks;
    });
  }

  /** Keep a track. Blocks that leave something out are not kept, nor is a track that would fill the cache alone. */
  write(bundle: Encoded, pcm: Float32Array, blocks: readonly EncodingBlock[]): Promise<void> {
    this.#writes = this.#writes.then(async () => {
      const value = join(bundle, pcm.length, blocks);
      const whole = blocksOf(bundle, pcm.length, value);
      const key = whole && (await encodingKey(bundle, pcm));
      if (!whole || key === null) return;
      const use = useOf(key, whole);
      await this.#attempt(undefined, async () => {
        if (use.bytes > this.#maxBytes) return;
        await this.#makeRoom(use, this.#maxBytes);
        await this.#store.write(use, value).catch(async (error: unknown) => {
          if (!isFull(error)) throw error;
          // The browser has less room than we allow ourselves: everything else goes before this is given up.
          await this.#makeRoom(use, use.bytes);
          await this.#store.write(use, value);
        });
      });
    });
    return this.#writes;
  }

  /** Forget everything. */
  clear(): Promise<void> {
    return this.#attempt(undefined, () => this.#store.clear());
  }

  /** What is kept; null where the browser keeps nothing. */
  sizeBytes(): Promise<number | null> {
    return this.#attempt(null, async () => (await this.#uses()).reduce((sum, { bytes }) => sum + bytes, 0));
  }

  /** Remove the least recently used entries until all of them, with this one, take no more than that. */
  async #makeRoom({ key, bytes }: Use, maxBytes: number): Promise<void> {
    const others = (await this.#uses()).filter((use) => use.key !== key);
    let surplus = others.reduce((sum, use) => sum + use.bytes, bytes - maxBytes);
    for (const use of others.sort((a, b) => a.usedMs - b.usedMs)) {
      if (surplus <= 0) break;
      await this.#store.remove(use.key);
      surplus -= use.bytes;
    }
  }

  /** Where they are damaged nothing is known of any entry, and all go. */
  async #uses(): Promise<Use[]> {
    const uses = await this.#store.uses();
    if (uses.every(isUse)) return [...uses];
    this.counts.refused++;
    await this.#store.clear();
    return [];
  }

  async #attempt<Result>(otherwise: Result, run: () => Promise<Result>): Promise<Result> {
    try {
      return await run();
    } catch (error) {
      this.counts.failed++;
      if (isFull(error) && !this.#isFullTold) {
        this.#isFullTold = true;
        this.#onFull();
      }
      return otherwise;
    }
  }
}

/** Browsers without `QuotaExceededError` as a class of its own have a DOMException of that name; both have the name. */
function isFull(error: unknown): boolean {
  return error instanceof Error && error.name === "QuotaExceededError";
}

function useOf(key: string, blocks: readonly EncodingBlock[]): Use {
  const bytes = blocks.reduce(
    (sum, { encodings, genres, tags }) =>
      sum + encodings.byteLength + (genres?.byteLength ?? 0) + (tags?.byteLength ?? 0),
    0,
  );
  return { key, bytes, usedMs: Date.now() };
}

function isUse(value: unknown): value is Use {
  const { key, bytes, usedMs } = (value ?? {}) as Partial<Record<keyof Use, unknown>>;
  return (
    typeof key === "string" &&
    typeof bytes === "number" &&
    Number.isSafeInteger(bytes) &&
    bytes >= 0 &&
    Number.isFinite(usedMs)
  );
}

/** Put blocks together; where one is missing the numbers are NaN. */
function join(bundle: Encoded, nSamples: number, blocks: readonly EncodingBlock[]): Record<string, Kept> {
  return Object.fromEntries(
    streamsOf(bundle).map((encoder): [string, Kept] => {
      const { count } = timeAxis(bundle.audio, encoder, nSamples);
      const encodings = new Float32Array(count * encoder.encodingSize).fill(NaN);
      const told = probabilitySizes(encoder).map(([what, size]) => {
        return { what, size, values: new Float32Array(count * size).fill(NaN) };
      });
      for (const block of blocks) {
        if (block.encoder !== encoder.name) continue;
        encodings.set(block.encodings, block.first * encoder.encodingSize);
        for (const { what, size, values } of told) values.set(block[what] ?? [], block.first * size);
      }
      return [
        encoder.name,
        { encodings, ...Object.fromEntries(told.map(({ what, values }) => [what, values])) },
      ];
    }),
  );
}

/** What is kept of a track, if it is that and complete. */
function blocksOf(bundle: Encoded, nSamples: number, value: unknown): readonly EncodingBlock[] | null {
  const blocks: EncodingBlock[] = [];
  for (const encoder of streamsOf(bundle)) {
    const { name, encodingSize: size } = encoder;
    const kept = ownValue(value, name);
    const encodings = ownValue(kept, "encodings");
    const { count } = timeAxis(bundle.audio, encoder, nSamples);
    if (!isNumbers(encodings, count * size)) return null;
    const told: Partial<Record<ProbabilityName, Float32Array>> = {};
    for (const [what, width] of probabilitySizes(encoder)) {
      const values = ownValue(kept, what);
      if (!isNumbers(values, count * width)) return null;
      told[what] = values;
    }
    blocks.push({ encoder: name, first: 0, count, encodings, size, ...told });
  }
  return blocks;
}

function ownValue(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function isNumbers(value: unknown, length: number): value is Float32Array {
  return value instanceof Float32Array && value.length === length && value.every(Number.isFinite);
}
