/** Small sound files, made where they are needed. */

export interface WavOptions {
  readonly seconds: number;
  readonly sampleRateHz?: number;
  readonly channels?: number;
  /** Sample value in [-1, 1] at a time. */
  readonly wave?: (seconds: number) => number;
}

/** Two notes a second over a slow sweep: something happens all the time. */
export function lively(seconds: number): number {
  const beat = Math.exp(-6 * ((seconds * 2) % 1));
  const sweep = Math.sin(2 * Math.PI * (200 + 60 * Math.floor(seconds)) * seconds);
  return 0.6 * beat * Math.sin(2 * Math.PI * 90 * seconds) + 0.25 * sweep;
}

export const silence = (): number => 0;

/** A 16-bit PCM WAV file. */
export function wav({ seconds, sampleRateHz = 44100, channels = 2, wave = lively }: WavOptions): Buffer {
  const n = Math.round(seconds * sampleRateHz);
  const bytes = n * channels * 2;
  const file = Buffer.alloc(44 + bytes);
  file.write("RIFF", 0);
  file.writeUInt32LE(36 + bytes, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(channels, 22);
  file.writeUInt32LE(sampleRateHz, 24);
  file.writeUInt32LE(sampleRateHz * channels * 2, 28);
  file.writeUInt16LE(channels * 2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36);
  file.writeUInt32LE(bytes, 40);
  for (let i = 0; i < n; i++) {
    const sample = Math.round(wave(i / sampleRateHz) * 32767);
    for (let channel = 0; channel < channels; channel++) {
      file.writeInt16LE(sample, 44 + (i * channels + channel) * 2);
    }
  }
  return file;
}

/** A mono WAV file of 32-bit floats, which may hold anything. */
export function floatWav(samples: Float32Array, sampleRateHz = 44100): Buffer {
  const file = Buffer.alloc(44 + 4 * samples.length);
  file.write("RIFF", 0);
  file.writeUInt32LE(36 + 4 * samples.length, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(3, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(sampleRateHz, 24);
  file.writeUInt32LE(4 * sampleRateHz, 28);
  file.writeUInt16LE(4, 32);
  file.writeUInt16LE(32, 34);
  file.write("data", 36);
  file.writeUInt32LE(4 * samples.length, 40);
  samples.forEach((sample, i) => file.writeFloatLE(sample, 44 + 4 * i));
  return file;
}
