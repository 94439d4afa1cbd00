import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { downmix } from "./pcm";

/** Read by Python's tests as well. */
const { cases } = JSON.parse(
  readFileSync(new URL("../../../../tests/data/downmix.json", import.meta.url), "utf8"),
) as { cases: { name: string; channels: number[][]; expected: number[] }[] };

describe("downmix", () => {
  it.each(cases)("as Python: $name", ({ channels, expected }) => {
    expect([...downmix(channels.map((channel) => Float32Array.from(channel)))]).toEqual(expected);
  });

  it("leaves the channels alone", () => {
    const channel = Float32Array.of(1, 2);
    downmix([channel])[0] = 9;
    downmix([channel, channel.map((sample) => -sample)])[0] = 9;
    expect([...channel]).toEqual([1, 2]);
    expect(() => downmix([])).toThrow(RangeError);
  });
});
