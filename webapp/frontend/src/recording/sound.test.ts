import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { SoundReader } from "./sound";

/** As much of a browser's AudioBuffer as is used. */
class FakeAudioBuffer {
  readonly sampleRate: number;
  readonly length: number;
  readonly numberOfChannels: number;
  readonly #channels: Float32Array[];

  constructor({ length, numberOfChannels, sampleRate }: Required<AudioBufferOptions>) {
    this.length = length;
    this.numberOfChannels = numberOfChannels;
    this.sampleRate = sampleRate;
    this.#channels = Array.from({ length: numberOfChannels }, () => new Float32Array(length));
  }

  getChannelData(channel: number): Float32Array {
    return this.#channels[channel]!;
  }

  copyToChannel(source: Float32Array, channel: number): void {
    this.#channels[channel]!.set(source);
  }
}

beforeAll(() => vi.stubGlobal("AudioBuffer", FakeAudioBuffer));
afterAll(() => vi.unstubAllGlobals());

function counting(length: number): AudioBuffer {
  const audio = new AudioBuffer({ length, numberOfChannels: 2, sampleRate: 100 });
  for (const channel of [0, 1])
    audio.getChannelData(channel).forEach((_, i, data) => (data[i] = i + channel));
  return audio;
}

it("gives every sample of the stretch once, in order", () => {
  const reader = new SoundReader(counting(1000), 2.5, 3.333);
  expect(reader.nSamples).toBe(333);
  const heard: number[] = [];
  for (const seconds of [1, 1, 2, 3, 4, 5]) {
    const piece = reader.readUntil(seconds);
    if (piece) heard.push(...piece.getChannelData(1));
  }
  expect(heard).toEqual(Array.from({ length: 333 }, (_, i) => 251 + i));
});

it("ends where the track ends", () => {
  const reader = new SoundReader(counting(100), 0.9, 5);
  expect(reader.nSamples).toBe(10);
  expect(reader.readUntil(1)?.length).toBe(10);
  expect(reader.readUntil(2)).toBeNull();
  expect(new SoundReader(counting(100), 3, 5).nSamples).toBe(0);
});
