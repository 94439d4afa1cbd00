import { describe, expect, it } from "vitest";
import { Motion, PULSE_SECONDS } from "./motion";

const TICK = 0.01;

interface Moment {
  readonly rise: number;
  readonly loudnessDb: number;
}

/** Rates and pulses of so many seconds. */
function move(seconds: number, at: (seconds: number) => Moment, motion = new Motion(TICK)) {
  const moments = Array.from({ length: Math.round(seconds / TICK) }, (_, tick) => {
    const { rise, loudnessDb } = at(tick * TICK);
    motion.step(rise, loudnessDb);
    expect(motion.rate).toBeGreaterThanOrEqual(0);
    expect(motion.pulse).toBeGreaterThanOrEqual(0);
    expect(motion.pulse).toBeLessThanOrEqual(1);
    return { rate: motion.rate, pulse: motion.pulse };
  });
  const musicSeconds = (from: number, to: number): number =>
    moments
      .slice(Math.round(from / TICK), Math.round(to / TICK))
      .reduce((sum, { rate }) => sum + rate * TICK, 0);
  return { moments, motion, musicSeconds };
}

/** Two beats a second that die away, the first of four louder; between them a little noise. */
const beats = (seconds: number): Moment => {
  const since = seconds % 0.5;
  const isLoud = seconds % 2 < 0.5;
  return {
    rise: since < 0.03 ? (isLoud ? 8 : 6) : 0.4 + 0.2 * Math.sin(seconds * 61),
    loudnessDb: (isLoud ? -12 : -20) - 12 * since,
  };
};

describe("Motion", () => {
  it("stands still in silence, and its pulse dies away", () => {
    const { motion } = move(8, beats);
    const { moments, musicSeconds } = move(5, () => ({ rise: 0, loudnessDb: -70 }), motion);
    expect(musicSeconds(0, 5)).toBe(0);
    expect(moments.at(Math.ceil(PULSE_SECONDS / TICK))!.pulse).toBe(0);
    expect(moments.every(({ pulse }, i) => i === 0 || pulse <= moments[i - 1]!.pulse)).toBe(true);
  });

  it("hardly moves while a tone is held", () => {
    const { musicSeconds } = move(10, (seconds) => ({ rise: seconds < 0.03 ? 20 : 0.01, loudnessDb: -20 }));
    expect(musicSeconds(1, 10)).toBeLessThan(0.5);
  });

  it("rushes at beats, more at loud ones, and pulses with them", () => {
    const { moments, musicSeconds } = move(20, beats);
    for (let beat = 8; beat < 19; beat += 0.5) {
      expect(musicSeconds(beat, beat + 0.05)).toBeGreaterThan(1.8 * musicSeconds(beat + 0.2, beat + 0.25));
      expect(moments[Math.round(beat / TICK) + 1]!.pulse).toBeGreaterThan(
        moments[Math.round(beat / TICK) - 2]!.pulse,
      );
    }
    for (let bar = 8; bar < 18; bar += 2) {
      expect(musicSeconds(bar, bar + 0.1)).toBeGreaterThan(1.2 * musicSeconds(bar + 1, bar + 1.1));
    }
  });

  it("moves the same at another gain", () => {
    const quiet = (seconds: number) => ({ ...beats(seconds), loudnessDb: beats(seconds).loudnessDb - 25 });
    const [a, b] = [move(30, beats).moments, move(30, quiet).moments];
    a.forEach(({ rate, pulse }, i) => {
      expect(b[i]!.rate).toBeCloseTo(rate, 9);
      expect(b[i]!.pulse).toBeCloseTo(pulse, 9);
    });
  });

  it("rushes more at a loud beat than at a quiet one that rises as much", () => {
    const even = (seconds: number): Moment => ({ ...beats(seconds), rise: seconds % 0.5 < 0.03 ? 7 : 0.3 });
    const { musicSeconds } = move(20, even);
    for (let bar = 8; bar < 18; bar += 2)
      expect(musicSeconds(bar, bar + 0.1)).toBeGreaterThan(1.15 * musicSeconds(bar + 1, bar + 1.1));
  });

  it("passes about a second per second with music", () => {
    const passed = move(60, beats).musicSeconds(0, 60) / 60;
    expect(passed).toBeGreaterThan(0.7);
    expect(passed).toBeLessThan(1.6);
  });

  it("is a number whatever comes", () => {
    const wild = (seconds: number) => ({
      rise: 100 * Math.max(0, Math.sin(1e4 * seconds * seconds)),
      loudnessDb: 120 * Math.sin(1e3 * seconds) - 70,
    });
    for (const { rate, pulse } of move(30, wild).moments) {
      expect(Number.isFinite(rate)).toBe(true);
      expect(Number.isFinite(pulse)).toBe(true);
    }
  });
});
