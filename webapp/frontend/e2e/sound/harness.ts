/** The page on which sound.spec.ts listens and keeps encodings. */
import type { EncodeRequest } from "../../src/analysis/analyzer";
import type { EncodingBlock } from "../../src/analysis/client";
import { ONSETS, streamsOf } from "../../src/analysis/onsets";
import { timeAxis } from "../../src/analysis/segments";
import { findMapping, loadBundle, type Bundle } from "../../src/bundle";
import { EncodingCache } from "../../src/cache/encoding-cache";
import { LiveSession } from "../../src/live/live-session";
import type { LiveInputKind } from "../../src/live/live-input-error";
import { TOY_URL, toyFetch, toyFiles, type Json } from "../../src/testing/toy-bundle";

const RATE = 44100;
/** In dB. */
const USUAL_RISE = 2;
const HOP = 441;

/** A toy at a rate at which browsers record; its graphs are not used. */
async function toy(): Promise<Bundle> {
  const files = await toyFiles({
    edit: {
      "manifest.json": (json) => {
        Object.assign(json.audio as Json, { sample_rate_hz: RATE, hop_length: HOP, n_fft: 2 * HOP });
        Object.assign(json.frontend as Json, { pad_samples: HOP });
        for (const encoder of json.encoders as Json[]) {
          Object.assign(encoder, { window_seconds: 0.03, step_seconds: 0.02, time_offset_seconds: 0.01 });
        }
      },
    },
  });
  const fetchAsEver = window.fetch.bind(window);
  window.fetch = toyFetch(files);
  try {
    return await loadBundle(TOY_URL);
  } finally {
    window.fetch = fetchAsEver;
  }
}

const bundle = await toy();

/** Both numbers of an encoding: how loud its segment is. Onsets are as usual as can be, so musical time never stands. */
function encode({ pcm, firstFrame, runs }: EncodeRequest): Promise<readonly EncodingBlock[]> {
  return Promise.resolve(
    runs.map(({ encoder, first, count }) => {
      const encodings = new Float32Array(2 * count);
      if (encoder === ONSETS) {
        for (let k = 0; k < count; k++) encodings.set([USUAL_RISE, -20], 2 * k);
        return { encoder, first, count, encodings, size: 2 };
      }
      for (let k = 0; k < count; k++) {
        const start = ((first + k) * 2 - firstFrame) * HOP;
        const segment = pcm.subarray(start, start + 3 * HOP);
        encodings.fill(
          Math.sqrt(segment.reduce((sum, x) => sum + x * x, 0) / segment.length),
          2 * k,
          2 * k + 2,
        );
      }
      return { encoder, first, count, encodings, size: 2 };
    }),
  );
}

export interface Heard {
  readonly error: string | null;
  readonly label?: string;
  /** `[moment shown, first parameter, level]`, about 30 times a second. */
  readonly seen?: readonly (readonly [number, number, number])[];
  readonly seconds?: number;
  readonly ended?: boolean;
}

/** Listen for a while. @param endAfterMs end the source as the browser's own button would */
async function hear(kind: LiveInputKind, forMs: number): Promise<Heard> {
  const choices = { mapping: findMapping(bundle), time: bundle.mappings.time, order: [0, 1] };
  let ended = false;
  let error: string | null = null;
  try {
    const session = await LiveSession.start(kind, {
      analyst: { bundle, encode, peakDb: () => Promise.resolve(0) },
      choices,
      onEnd: () => (ended = true),
      onError: (reason) => (error = String(reason)),
    });
    const start = performance.now();
    const seen: [number, number, number][] = [];
    const [parameters, travel] = [new Float32Array(2), new Float32Array(2)];
    while (performance.now() - start < forMs) {
      await new Promise((resolve) => setTimeout(resolve, 33));
      const moment = session.secondsAt(performance.now());
      session.at(moment, parameters, travel);
      seen.push([moment, parameters[0] ?? NaN, session.level.value]);
    }
    const seconds = (performance.now() - start) / 1000;
    session.dispose();
    return { error, label: session.label, seen, seconds, ended };
  } catch (reason) {
    return { error: String(reason) };
  }
}

// ------------------------------------------------------------------------------------------------------------ keeping

const cache = new EncodingCache();
const pcmOf = (seed: number) => Float32Array.from({ length: RATE }, (_, i) => Math.sin(i * seed));

async function keep(seed: number): Promise<void> {
  const pcm = pcmOf(seed);
  const blocks = streamsOf(bundle).map((stream): EncodingBlock => {
    const { count } = timeAxis(bundle.audio, stream, pcm.length);
    const encodings = new Float32Array(2 * count).map((_, i) => seed + i);
    return { encoder: stream.name, first: 0, count, encodings, size: 2 };
  });
  await cache.write(bundle, pcm, blocks);
}

/** The first numbers of what is kept. */
async function recall(seed: number): Promise<readonly number[] | null> {
  const blocks = await cache.read(bundle, pcmOf(seed));
  return blocks && [...(blocks[0]?.encodings.slice(0, 3) ?? [])];
}

/** Write something else over every entry. */
function damage(): Promise<void> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("tfdeepviz-encodings");
    opening.onerror = () => reject(new Error("cannot be opened"));
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction("values", "readwrite");
      const values = transaction.objectStore("values");
      values.openCursor().onsuccess = (event) => {
        const cursor = (event.target as IDBRequest<IDBCursorWithValue | null>).result;
        cursor?.update({ toy: { encodings: [1, 2, 3] } });
        cursor?.continue();
      };
      transaction.oncomplete = () => {
        database.close();
        resolve();
      };
    };
  });
}

const harness = {
  hear,
  keep,
  recall,
  damage,
  clear: () => cache.clear(),
  sizeBytes: () => cache.sizeBytes(),
  counts: cache.counts,
};

declare global {
  interface Window {
    sound: typeof harness;
  }
}

window.sound = harness;
