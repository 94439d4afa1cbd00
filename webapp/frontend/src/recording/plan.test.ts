import { describe, expect, it } from "vitest";
import { encodableSize, estimatedBytes, fileName, FrameGrid, rangeWithin, videoBitsPerSecond } from "./plan";

const HD = { width: 1920, height: 1080 };

describe("FrameGrid", () => {
  it("covers the range with whole frames, each showing its middle", () => {
    const grid = new FrameGrid({ fromSeconds: 10, toSeconds: 12 }, 30);
    expect(grid.count).toBe(60);
    expect(grid.durationSeconds).toBe(2);
    expect(grid.startSeconds(0)).toBe(0);
    expect(grid.startSeconds(30)).toBe(1);
    expect(grid.momentSeconds(0)).toBeCloseTo(10 + 1 / 60, 12);
    expect(grid.momentSeconds(59)).toBeCloseTo(12 - 1 / 60, 12);
  });

  it("never looks past the range's end", () => {
    for (const seconds of [0.49 / 30, 0.3, 1.01, 29.977, 61.516]) {
      const range = { fromSeconds: 0, toSeconds: seconds };
      const grid = new FrameGrid(range, 30);
      expect(grid.count).toBeGreaterThanOrEqual(1);
      if (grid.count > 1) expect(grid.momentSeconds(grid.count - 1)).toBeLessThanOrEqual(seconds + 1e-9);
      expect(Math.abs(grid.durationSeconds - seconds)).toBeLessThanOrEqual(1 / 30);
    }
  });

  it("does not drift", () => {
    const grid = new FrameGrid({ fromSeconds: 0, toSeconds: 1800 }, 60);
    expect(grid.startSeconds(108_000 - 60)).toBeCloseTo(1799, 9);
  });
});

it("a range is cut to the track", () => {
  expect(rangeWithin({ fromSeconds: -3, toSeconds: 500 }, 120)).toEqual({ fromSeconds: 0, toSeconds: 120 });
  expect(rangeWithin({ fromSeconds: 110, toSeconds: 140 }, 120)).toEqual({
    fromSeconds: 110,
    toSeconds: 120,
  });
  expect(rangeWithin({ fromSeconds: 50, toSeconds: 40 }, 120)).toEqual({ fromSeconds: 50, toSeconds: 50 });
});

describe("encodableSize", () => {
  it("makes sides even and keeps what is", () => {
    expect(encodableSize(HD)).toEqual(HD);
    expect(encodableSize({ width: 801, height: 519 })).toEqual({ width: 802, height: 520 });
  });

  it("shrinks what is too large in proportion, and bears nonsense", () => {
    const { width, height } = encodableSize({ width: 7680, height: 4320 });
    expect(width).toBe(4096);
    expect(width / height).toBeCloseTo(16 / 9, 2);
    expect(encodableSize({ width: 0, height: 0 })).toEqual({ width: 16, height: 16 });
  });
});

describe("bits", () => {
  it("grow with pixels and frames, within bounds", () => {
    const hd = videoBitsPerSecond(HD, 30);
    expect(hd).toBeGreaterThan(6e6);
    expect(hd).toBeLessThan(12e6);
    expect(videoBitsPerSecond(HD, 60) / hd).toBeCloseTo(1.5, 1);
    expect(videoBitsPerSecond({ width: 3840, height: 2160 }, 30) / hd).toBeCloseTo(4, 2);
    expect(videoBitsPerSecond({ width: 64, height: 64 }, 30)).toBe(2_000_000);
    expect(videoBitsPerSecond({ width: 4096, height: 4096 }, 60)).toBe(80_000_000);
  });

  it("make bytes", () => {
    const silent = estimatedBytes(HD, 30, 60, false);
    expect(silent).toBeCloseTo((60 * videoBitsPerSecond(HD, 30)) / 8, 3);
    expect(estimatedBytes(HD, 30, 60, true) - silent).toBeCloseTo(60 * 24_000, 3);
  });
});

describe("fileName", () => {
  const visual = "Saturn";

  it("names artist, song and visual", () => {
    expect(fileName({ artist: "Nina Simone", title: "Sinnerman", visual }, "mp4")).toBe(
      "Nina Simone - Sinnerman (Saturn).mp4",
    );
    expect(fileName({ artist: null, title: "song", visual }, "png")).toBe("song (Saturn).png");
    expect(fileName({ artist: null, title: null, visual }, "png")).toBe("Saturn.png");
    expect(fileName({ artist: "Björk", title: "Jóga 🌋", visual }, "webm")).toBe(
      "Björk - Jóga 🌋 (Saturn).webm",
    );
  });

  it("is a file's name whatever the song is called", () => {
    expect(fileName({ artist: "AC/DC", title: 'a:b*c?"<d>|\\e\u0000\n\u202e', visual }, "mp4")).toBe(
      "AC DC - a b c d e (Saturn).mp4",
    );
    expect(fileName({ artist: null, title: null, visual: "../.." }, "png")).toBe("tfdeepviz.png");
    expect(fileName({ artist: null, title: null, visual: "CON" }, "png")).toBe("CON_.png");
    const long = fileName({ artist: null, title: "🎵".repeat(500), visual }, "mp4");
    expect(Array.from(long)).toHaveLength(124);
    expect(encodeURIComponent(long)).not.toBe(""); // throws on half a character
  });
});
