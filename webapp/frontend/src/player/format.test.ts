import { describe, expect, it } from "vitest";
import { formatPercent, formatTime, listNames, halfLifeSeconds, speakPosition, titleOfFile } from "./format";

describe("times", () => {
  it.each([
    [0, "0:00"],
    [59.99, "0:59"],
    [75.4, "1:15"],
    [3600 + 62, "1:01:02"],
    [-3, "0:00"],
    [NaN, "0:00"],
    [Infinity, "0:00"],
  ])("writes %d s as %s", (seconds, text) => {
    expect(formatTime(seconds)).toBe(text);
  });

  it("speaks a position", () => {
    expect(speakPosition(61, 180)).toBe("1 minute 1 second of 3 minutes");
    expect(speakPosition(0, 3605)).toBe("0 seconds of 1 hour 5 seconds");
  });
});

describe("titleOfFile", () => {
  it.each([
    ["my_song.mp3", "my song"],
    ["01 - Air.flac", "01 - Air"],
    ["archive.tar.gz", "archive.tar"],
    ["no extension", "no extension"],
    [".mp3", ".mp3"],
    ["", "Untitled"],
    ["C:\\music\\a.wav", "a"],
  ])("%j is %j", (name, title) => {
    expect(titleOfFile(name)).toBe(title);
  });
});

it.each([
  [[], ""],
  [["a"], "a"],
  [["a", "b"], "a and b"],
  [["a", "b", "c"], "a, b and c"],
  [["a", "b", "c", "d", "e"], "a, b, c and 2 more"],
])("names %j", (names, words) => {
  expect(listNames(names)).toBe(words);
});

it("percent", () => {
  expect(formatPercent(0.456)).toBe("46%");
});

it("half-life of the smoothing", () => {
  expect(halfLifeSeconds(0.5, 0.01)).toBeCloseTo(0.01);
  expect(halfLifeSeconds(0, 0.01)).toBe(0);
  expect(halfLifeSeconds(1, 0.01)).toBe(Infinity);
});
