import { describe, expect, it } from "vitest";
import { createRandom } from "../visuals/random";
import { cpuMilliseconds } from "../testing/cpu-time";
import { MAX_COLUMNS, measure, measureWaveform, type Waveform } from "./waveform";

function measured(pcm: Float32Array, nColumns: number): Waveform {
  const measuring = measure(pcm, nColumns);
  for (;;) {
    const { done, value } = measuring.next();
    if (done) return value;
  }
}

describe("measure", () => {
  it("gives every column the peak and the root mean square of its own samples", () => {
    const { peak, rms } = measured(Float32Array.of(0.5, -1, 0, 0, 0.25, -0.25), 3);
    expect([...peak]).toEqual([1, 0, 0.25]);
    expect(rms[0]).toBeCloseTo(Math.sqrt(1.25 / 2));
    expect([rms[1], rms[2]]).toEqual([0, 0.25]);
  });

  it("counts every sample once, whatever does not divide", () => {
    const random = createRandom(1);
    for (let round = 0; round < 50; round++) {
      const pcm = Float32Array.from({ length: Math.floor(500 * random()) }, () => 2 * random() - 1);
      const nColumns = 1 + Math.floor(60 * random());
      const { peak, rms } = measured(pcm, nColumns);
      expect(Math.max(...peak, 0)).toBe(pcm.reduce((most, x) => Math.max(most, Math.abs(x)), 0));
      const energy = rms.reduce((sum, value, column) => {
        const edge = (place: number) => Math.floor((place * pcm.length) / nColumns);
        return sum + value ** 2 * (edge(column + 1) - edge(column));
      }, 0);
      expect(energy).toBeCloseTo(
        pcm.reduce((sum, x) => sum + x * x, 0),
        3,
      );
      expect(rms.every((value, column) => value <= peak[column]! + 1e-6)).toBe(true);
    }
  });

  it("is silent for a track without samples and deaf to what is not a number", () => {
    expect([...measured(new Float32Array(), 4).peak]).toEqual([0, 0, 0, 0]);
    const { peak, rms } = measured(Float32Array.of(NaN, 0.5, NaN, NaN), 2);
    expect([...peak]).toEqual([0.5, 0]);
    expect([...rms].every(Number.isFinite)).toBe(true);
  });

  it.each([0, -1, 1.5, NaN, MAX_COLUMNS + 1])("refuses %d columns", (nColumns) => {
    expect(() => measured(new Float32Array(9), nColumns)).toThrow("1 to 2000 columns");
  });
});

describe("measureWaveform", () => {
  const pcm = new Float32Array(5 * 2 ** 20).fill(0.25);

  it("pauses between chunks, even in the middle of a long column", async () => {
    for (const nColumns of [1, MAX_COLUMNS]) {
      let pauses = 0;
      const { peak } = await measureWaveform(pcm, nColumns, {
        pause: () => {
          pauses++;
          return Promise.resolve();
        },
        signal: new AbortController().signal,
      });
      expect(peak).toHaveLength(nColumns);
      expect(peak.every((value) => value === 0.25)).toBe(true);
      expect(pauses).toBeGreaterThanOrEqual(4);
    }
  });

  it("stops when it is told to", async () => {
    const abort = new AbortController();
    const pause = () => {
      abort.abort();
      return Promise.resolve();
    };
    await expect(measureWaveform(pcm, 100, { pause, signal: abort.signal })).rejects.toThrow("aborted");
  });

  it("holds the page up only for moments", () => {
    const measuring = measure(pcm, MAX_COLUMNS);
    const spentMs: number[] = [];
    for (;;) {
      let done: boolean | undefined;
      spentMs.push(cpuMilliseconds(() => ({ done } = measuring.next())));
      if (done) break;
    }
    // Two milliseconds a chunk; generous for slow machines.
    expect(spentMs.toSorted((a, b) => a - b)[Math.floor(spentMs.length / 2)]).toBeLessThan(25);
  });
});
