import { describe, expect, it } from "vitest";
import type { Section } from "../mapping/sections";
import { createRandom } from "../visuals/random";
import { writeOklch } from "../visuals/oklch";
import { barsOf, hueOf, paint, paletteFor, reached, speakSection, type WaveformState } from "./waveform";

const sectionsOf = (labels: readonly number[], each = 10): Section[] =>
  labels.map((label, i) => ({ startSeconds: i * each, endSeconds: (i + 1) * each, label }));

const waveform = { peak: Float32Array.of(0.2, 0.4, 0.1, 0), rms: Float32Array.of(0.1, 0.2, 0.05, 0) };
const state: WaveformState = {
  waveform,
  sections: sectionsOf([0, 1]),
  positionSeconds: 5,
  durationSeconds: 20,
  readyUntilSeconds: 15,
};

describe("barsOf", () => {
  it("puts the loudest stretch of every track at the same height", () => {
    for (const gain of [1, 0.01]) {
      const quiet = { peak: waveform.peak.map((x) => gain * x), rms: waveform.rms.map((x) => gain * x) };
      const bars = barsOf(quiet, 4);
      [0.4, 0.8, 0.2, 0].forEach((body, i) => expect(bars[i]!.body).toBeCloseTo(body));
      expect(bars[1]!.peak).toBe(1);
    }
  });

  it("stays inside for every width", () => {
    const random = createRandom(2);
    for (let round = 0; round < 100; round++) {
      const n = 1 + Math.floor(300 * random());
      const peak = Float32Array.from({ length: n }, () => random());
      const bars = barsOf({ peak, rms: peak.map((x) => x * random()) }, 1 + Math.floor(500 * random()));
      expect(bars.every((bar) => bar.peak >= 0 && bar.peak <= 1 && bar.body >= 0 && bar.body <= 1)).toBe(
        true,
      );
    }
    expect(barsOf({ peak: new Float32Array(5), rms: new Float32Array(5) }, 3)[0]).toEqual({
      peak: 0,
      body: 0,
    });
  });
});

it("reached: what is played counts as analysed", () => {
  expect(reached(state, 4)).toEqual([1, 3]);
  expect(reached({ ...state, positionSeconds: 18 }, 4)).toEqual([4, 4]);
  expect(reached({ ...state, durationSeconds: 0 }, 4)).toEqual([0, 0]);
  expect(reached({ ...state, positionSeconds: 99, readyUntilSeconds: NaN }, 4)[0]).toBe(4);
});

describe("paint", () => {
  interface Drawn {
    readonly colour: string;
    readonly alpha: number;
    readonly rectangle: readonly [number, number, number, number];
  }

  function painted(shown: WaveformState, contrast: "usual" | "forced" = "usual"): Drawn[] {
    const drawn: Drawn[] = [];
    const context = {
      fillStyle: "",
      globalAlpha: 1,
      fillRect(...rectangle: [number, number, number, number]) {
        drawn.push({ colour: this.fillStyle, alpha: this.globalAlpha, rectangle });
      },
    };
    const bars = shown.waveform ? barsOf(shown.waveform, 4) : [];
    paint(context, { width: 12, height: 40 }, shown, bars, paletteFor(contrast));
    return drawn;
  }

  it("tells played, ahead and unknown, and sections, by colour", () => {
    const { played, ahead, unknown, tick } = paletteFor("usual");
    const bodies = painted(state).filter(({ alpha }) => alpha === 1);
    expect(bodies.map(({ colour }) => colour)).toEqual([played(0), ahead(0), ahead(1), unknown, tick]);
    expect(new Set(bodies.map(({ colour }) => colour)).size).toBe(5);
    expect(bodies[4]!.rectangle).toEqual([5, 0, 1, 40]);
    // The second bar is the loudest; silence is still a line.
    expect(bodies[1]!.rectangle).toEqual([3, 4, 2, 32]);
    expect(bodies[3]!.rectangle).toEqual([9, 19.5, 2, 1]);
  });

  it("does without sections and without a waveform", () => {
    const { played, ahead } = paletteFor("usual");
    const bodies = painted({ ...state, sections: null }).filter(({ alpha }) => alpha === 1);
    expect(bodies.map(({ colour }) => colour).slice(0, 2)).toEqual([played(null), ahead(null)]);
    expect(painted({ ...state, sections: null, waveform: null })).toEqual([]);
  });

  it("leaves colours to the person where the person chooses them", () => {
    const colours = new Set(painted(state, "forced").map(({ colour }) => colour));
    expect([...colours]).toEqual(["Highlight", "CanvasText", "GrayText"]);
  });
});

describe("colours", () => {
  it("keep sections apart", () => {
    for (let a = 0; a < 8; a++) {
      for (let b = 0; b < a; b++) {
        const apart = Math.abs(hueOf(a) - hueOf(b));
        expect(Math.min(apart, 360 - apart)).toBeGreaterThan(20);
      }
    }
  });

  it("exist on every screen at the lightness that they say", () => {
    const { played, ahead } = paletteFor("usual");
    for (let label = 0; label < 40; label++) {
      for (const colour of [played(label), ahead(label)]) {
        const [, lightness, chroma, hue] = /^oklch\((\d+)% ([\d.]+) ([\d.]+) \/ [\d.]+\)$/.exec(colour) ?? [];
        const rgb = [0, 0, 0];
        writeOklch(rgb, 0, Number(lightness) / 100, Number(chroma), Number(hue) / 360);
        expect(Math.max(...rgb)).toBeLessThanOrEqual(1.001);
      }
    }
  });
});

describe("speakSection", () => {
  const sections = sectionsOf([0, 1, 0, 2, 1]);

  it("says where one is and what it is like", () => {
    expect([0, 15, 25, 35, 999].map((seconds) => speakSection(sections, seconds))).toEqual([
      "section 1 of 5",
      "section 2 of 5",
      "section 3 of 5, like the first",
      "section 4 of 5",
      "section 5 of 5, like the second",
    ]);
    const many = sectionsOf([...Array.from({ length: 12 }, (_, i) => i), 10]);
    expect(speakSection(many, 999)).toBe("section 13 of 13, like section 11");
  });

  it("has nothing to say of one section, or none", () => {
    expect([speakSection(sectionsOf([0]), 3), speakSection([], 3), speakSection(null, 3)]).toEqual([
      null,
      null,
      null,
    ]);
  });
});
