import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { silentMp3 } from "../testing/silent-mp3";
import { decodeTrack, type DecodeOptions } from "./decode";

const RATE = 1000;

/** What the browser's decoder gives next. */
let give: (bytes: ArrayBuffer) => Promise<AudioBuffer>;
/** Seconds that a media element reads from the file's header; null: it knows no such file. */
let header: number | null;
const decodes = vi.fn((bytes: ArrayBuffer) => give(bytes));

function audioOf(...channels: Float32Array[]): AudioBuffer {
  const length = channels[0]?.length ?? 0;
  return {
    length,
    duration: length / RATE,
    sampleRate: RATE,
    numberOfChannels: channels.length,
    getChannelData: (i: number) => channels[i],
  } as AudioBuffer;
}

class FakeAudio extends EventTarget {
  preload = "";
  get duration(): number {
    return header ?? NaN;
  }
  set src(_: string) {
    queueMicrotask(() => this.dispatchEvent(new Event(header === null ? "error" : "loadedmetadata")));
  }
  readonly removeAttribute = vi.fn();
  readonly load = vi.fn();
}

beforeEach(() => {
  header = 2;
  give = () => Promise.resolve(audioOf(new Float32Array(2 * RATE).fill(0.5)));
  decodes.mockClear();
  vi.stubGlobal("Audio", FakeAudio);
  vi.stubGlobal(
    "OfflineAudioContext",
    class {
      decodeAudioData = decodes;
    },
  );
});
afterEach(() => void vi.unstubAllGlobals());

const decode = (options: Partial<DecodeOptions> = {}, data: ArrayBuffer | File = new ArrayBuffer(8)) =>
  decodeTrack(data, { sampleRateHz: RATE, ...options });

describe("how long a track may be", () => {
  // Two seconds of silence first, as a reader of its beginning sees it: it takes the rest for a hundred times as long.
  const file = silentMp3([
    { seconds: 2, kbps: 32 },
    { seconds: 8, kbps: 320 },
  ]).buffer;

  it("is not told by an estimate", async () => {
    header = 82;
    give = () => Promise.resolve(audioOf(new Float32Array(10 * RATE)));
    expect((await decode({ maxSeconds: 11 }, file)).durationSeconds).toBe(10);
    header = Infinity; // the header says nothing
    expect((await decode({ maxSeconds: 11 }, file)).durationSeconds).toBe(10);
  });

  it("is counted before it is unpacked, where the estimate is too long", async () => {
    header = 82;
    await expect(decode({ maxSeconds: 9 }, file)).rejects.toMatchObject({ reason: "too-long" });
    expect(decodes).not.toHaveBeenCalled();
  });

  it("is measured once it is decoded", async () => {
    await expect(decode({ maxSeconds: 1 })).rejects.toMatchObject({ reason: "too-long" });
    expect(decodes).toHaveBeenCalled(); // eight bytes that nobody can count
    header = 0.1;
    await expect(decode({ maxSeconds: 1 })).rejects.toMatchObject({ reason: "too-long" });
    await expect(decode({ minSeconds: 3 })).rejects.toMatchObject({ reason: "too-short" });
  });

  it("is bounded by the file's size", async () => {
    const large = { byteLength: 3e9 } as ArrayBuffer;
    Object.setPrototypeOf(large, ArrayBuffer.prototype);
    await expect(decode({}, large)).rejects.toMatchObject({ reason: "too-large" });
    await expect(decode({}, new ArrayBuffer(0))).rejects.toMatchObject({ reason: "empty" });
  });
});

describe("what cannot be decoded", () => {
  it.each([
    [new RangeError("Array buffer allocation failed"), "memory", /ran out of memory/],
    [new RangeError("Invalid typed array length: 317520000"), "memory", /ran out of memory/],
    [
      new DOMException("Unable to decode audio data", "EncodingError"),
      "unsupported",
      /too large for the memory/,
    ],
  ])("is told apart: %s", async (error, reason, message) => {
    give = () => Promise.reject(error);
    const failure = await decode().catch((caught: unknown) => caught);
    expect(failure).toMatchObject({ reason, cause: error });
    expect((failure as Error).message).toMatch(message);
  });

  it("is no audio at all where the browser does not know the file either", async () => {
    header = null;
    give = () => Promise.reject(new DOMException("Unable to decode audio data", "EncodingError"));
    await expect(decode()).rejects.toThrow(/cannot read this file as audio/);
  });

  it("has moved", async () => {
    const file = new File(["song"], "song.wav");
    file.arrayBuffer = () => Promise.reject(new DOMException("gone", "NotReadableError"));
    await expect(decode({}, file)).rejects.toMatchObject({ reason: "unreadable" });
  });

  it("is passed on when nobody foresaw it", async () => {
    const error = new TypeError("odd");
    give = () => Promise.reject(error);
    await expect(decode()).rejects.toBe(error);
  });

  it.each([NaN, Infinity, -1e4])("is a sample of %s, as in Python", async (bad) => {
    const samples = new Float32Array(2 * RATE).fill(0.5);
    samples[700] = bad;
    give = () => Promise.resolve(audioOf(samples));
    await expect(decode()).rejects.toMatchObject({ reason: "no-sound" });
    samples[700] = 9999;
    await expect(decode()).resolves.toBeDefined();
  });
});

it("lets nobody wait for a track that is no longer wanted, and makes nothing of it", async () => {
  const abort = new AbortController();
  let finish: (audio: AudioBuffer) => void = () => undefined;
  give = () => new Promise((resolve) => (finish = resolve));
  const decoding = decode({ signal: abort.signal });
  await vi.waitFor(() => expect(decodes).toHaveBeenCalled());
  abort.abort();
  await expect(decoding).rejects.toMatchObject({ name: "AbortError" });
  const late = audioOf(new Float32Array(2 * RATE));
  const read = vi.spyOn(late, "getChannelData");
  finish(late);
  await new Promise((resolve) => setTimeout(resolve));
  expect(read).not.toHaveBeenCalled();
  await expect(decode({ signal: abort.signal })).rejects.toMatchObject({ name: "AbortError" });
});

it("hears the loudest channel where both cancel each other out", async () => {
  const left = Float32Array.from({ length: 2 * RATE }, (_, i) => Math.sin(i));
  give = () =>
    Promise.resolve(
      audioOf(
        left,
        left.map((sample) => -sample),
      ),
    );
  const { pcm } = await decode();
  expect(pcm.sampleRateHz).toBe(RATE);
  expect(pcm.samples).toEqual(left);
});
