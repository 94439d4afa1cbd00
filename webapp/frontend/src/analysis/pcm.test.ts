import { readFileSync } from "node:fs";
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it, vi } from "vitest";
import { loadBundle } from "../bundle";
import { collector, TOY_URL, toyEncoders, toyEncodings, toyFetch, toyFiles } from "../testing/toy-bundle";
import { Analyzer, loadGraphs } from "./analyzer";
import { downmix, samplesFor } from "./pcm";
import { TrackAnalysis } from "./run";

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

describe("a model of 22.05 kHz", () => {
  it("hears sound of that rate and no other", async () => {
    await tf.setBackend("cpu");
    const options = { sampleRateHz: 22050 };
    vi.stubGlobal("fetch", toyFetch(await toyFiles(options)));
    const bundle = await loadBundle(TOY_URL);
    const analyzer = await Analyzer.create(bundle, await loadGraphs(bundle));
    vi.unstubAllGlobals();
    const samples = Float32Array.from({ length: 2400 }, (_, i) => Math.sin(i * i));
    expect(() => samplesFor(bundle, { samples, sampleRateHz: 44100 })).toThrow(
      "The model takes sound at 22050 Hz, not at 44100 Hz.",
    );
    const heard = collector();
    const own = samplesFor(bundle, { samples, sampleRateHz: 22050 });
    await new TrackAnalysis(bundle, own, heard).run({
      depth: 1,
      peakDb: (pcm) => analyzer.peakDb(pcm),
      encode: async (request) => (await analyzer.encode(request)).blocks,
    });
    const expected = toyEncodings(samples, toyEncoders(options)[0]!).flat();
    const given = heard.blocks
      .filter(({ encoder }) => encoder === "toy")
      .flatMap(({ encodings }) => [...encodings]);
    expect(given).toHaveLength(expected.length);
    expected.forEach((value, i) => expect(given[i]).toBeCloseTo(value, 5));
    analyzer.dispose();
  });
});
