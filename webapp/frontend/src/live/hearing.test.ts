import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Analyzer, loadGraphs, type EncodeRequest } from "../analysis/analyzer";
import { findStream, ONSETS } from "../analysis/onsets";
import { TrackAnalysis } from "../analysis/run";
import { findMapping, loadBundle, type Bundle } from "../bundle";
import { descriptionOf } from "../mapping/impression";
import { ParameterTrack } from "../mapping/track";
import {
  TOY_URL,
  toyEncoders,
  toyEncodings,
  toyFetch,
  toyFiles,
  type ToyOptions,
} from "../testing/toy-bundle";
import type { LiveInput } from "./capture";
import { Ear } from "./ear";
import { Hearing, LIVE_LATENCY_SECONDS, type LiveAnalyst } from "./hearing";
import { LiveSession } from "./live-session";
import type { TrackChoices } from "./sliding-track";

const RATE = 100;

beforeAll(() => tf.setBackend("cpu"));
afterEach(() => void vi.unstubAllGlobals());

interface Toy {
  readonly bundle: Bundle;
  readonly analyzer: Analyzer;
  readonly analyst: LiveAnalyst;
  readonly choices: TrackChoices;
  readonly requests: EncodeRequest[];
  /** Answers wait for it. */
  gate: Promise<unknown>;
}

async function load(options: ToyOptions = {}): Promise<Toy> {
  vi.stubGlobal("fetch", toyFetch(await toyFiles(options)));
  const bundle = await loadBundle(TOY_URL);
  const analyzer = await Analyzer.create(bundle, await loadGraphs(bundle));
  const requests: EncodeRequest[] = [];
  const toy: Toy = {
    bundle,
    analyzer,
    requests,
    gate: Promise.resolve(),
    choices: { mapping: findMapping(bundle), time: bundle.mappings.time, order: [0, 1] },
    analyst: {
      bundle,
      peakDb: (pcm) => analyzer.peakDb(pcm),
      encode: async (request) => {
        requests.push(request);
        await toy.gate;
        return (await analyzer.encode(request)).blocks;
      },
    },
  };
  return toy;
}

const noise = (length: number) => Float32Array.from({ length }, (_, i) => 0.7 * Math.sin(i * i * 0.37));

function failing(message: string): Promise<never> {
  const promise = Promise.reject(new Error(message));
  promise.catch(() => undefined); // it is awaited later
  return promise;
}

/** Everything that has been begun comes to an end. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 1));

function hearingOf({ analyst, choices }: Toy, onError: (error: unknown) => void = () => undefined): Hearing {
  return new Hearing(analyst, choices, { nowMs: 0, onError });
}

/** Hear it chunk by chunk, as time goes by. @returns the moments that were to be shown */
async function listen(
  hearing: Hearing,
  pcm: Float32Array,
  { chunk = 7, from = 0, asks = true } = {},
): Promise<number[]> {
  const shown: number[] = [];
  for (let first = from; first < pcm.length; first += chunk) {
    const samples = pcm.slice(first, first + chunk);
    const nowMs = ((first + samples.length) / RATE) * 1000;
    hearing.hear(samples, nowMs);
    if (asks) shown.push(hearing.secondsAt(nowMs));
    await settle();
  }
  return shown;
}

async function offline({ bundle, analyzer }: Toy, pcm: Float32Array): Promise<ParameterTrack> {
  const track = ParameterTrack.of(bundle, pcm.length);
  await new TrackAnalysis(bundle, pcm, { onBlock: (block) => track.add(block) }).run({
    depth: 1,
    peakDb: (run) => analyzer.peakDb(run),
    encode: async (request) => (await analyzer.encode(request)).blocks,
  });
  return track;
}

function expectSame(live: Pick<ParameterTrack, "at">, track: ParameterTrack, seconds: number): void {
  const [a, travelA, b, travelB] = [0, 1, 2, 3].map(() => new Float32Array(2)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  live.at(seconds, a, travelA);
  track.at(seconds, b, travelB);
  for (const i of [0, 1]) {
    expect(a[i]).toBeCloseTo(b[i]!, 5);
    expect(travelA[i]).toBeCloseTo(travelB[i]!, 4);
  }
}

describe("Ear", () => {
  it("cuts what a track that begins with it would give, whatever the chunks, and keeps no more than it needs", async () => {
    const { bundle } = await load({ wide: true });
    const pcm = noise(3000);
    for (const chunk of [1, 9, 64, 500]) {
      const ear = new Ear(bundle, 1);
      const next: Record<string, number> = {};
      for (let first = 0; first < pcm.length; first += chunk) {
        ear.hear(pcm.slice(first, first + chunk));
        const stretch = ear.cut();
        if (!stretch) continue;
        const start = stretch.firstFrame * bundle.audio.hopLength - bundle.frontend.padSamples;
        stretch.pcm.forEach((value, i) => expect(value).toBe(start + i < 0 ? 0 : pcm[start + i]));
        expect(stretch.pcm.length).toBeLessThan(2.5 * RATE);
        for (const { encoder, first: k, count } of stretch.runs) {
          expect(k - stretch.skipped.get(encoder)!).toBe(next[encoder] ?? 0);
          next[encoder] = k + count;
        }
      }
      expect(ear.heardSeconds).toBe(30);
      expect(next).toEqual({
        toy: expect.closeTo(374, -0.5) as number,
        wide: expect.closeTo(149, -0.5) as number,
        [ONSETS]: expect.closeTo(749, -0.5) as number,
      });
    }
  });
});

describe("Hearing", () => {
  it.each<ToyOptions>([{}, { wide: true }])(
    "shows a second later what the same track shows, %o",
    async (options) => {
      const toy = await load(options);
      const pcm = noise(1200);
      const track = await offline(toy, pcm);
      const hearing = hearingOf(toy);
      const shown = await listen(hearing, pcm);
      expect(shown.at(-1)).toBeCloseTo(12 - LIVE_LATENCY_SECONDS, 1);
      for (const seconds of shown) expectSame(hearing.track, track, seconds);
      for (const ago of [0.5, 3, 9]) expectSame(hearing.track, track, shown.at(-1)! - ago);
    },
  );

  it("lets an encoder that sees more speak after a second, and each time of all that was heard until then", async () => {
    const toy = await load({ tagger: true });
    const pcm = noise(1200);
    const hearing = hearingOf(toy);
    const add = vi.spyOn(hearing.track, "add");
    const readyAfter = (await listen(hearing, pcm)).findIndex((seconds) => seconds > 0) * 0.07;
    expect(readyAfter).toBeGreaterThan(LIVE_LATENCY_SECONDS);
    expect(readyAfter).toBeLessThan(LIVE_LATENCY_SECONDS + 0.3);
    const blocks = add.mock.calls.map(([block]) => block).filter(({ encoder }) => encoder === "tagger");
    // The window has 45 frames, the hop 10; the last frame of a track sees half of its own hop only.
    expect(blocks[0]).toMatchObject({ first: -2, count: 1 });
    const given = blocks.flatMap(({ encodings }) => [...encodings]);
    const [tagger] = toyEncoders({ tagger: true });
    const frames = (n: number) => pcm.slice(0, 4 * (n - 1) + 4);
    for (const [k, n] of [25, 35].entries()) {
      const [early] = toyEncodings(frames(n), { ...tagger!, windowFrames: n });
      // Its first number is of the first frame, its second of the one at 45 frames, counted round.
      const [, last] = toyEncodings(frames(n), { windowFrames: ((45 - 1) % n) + 1, hopFrames: 1 })[0]!;
      expect(given.slice(2 * k, 2 * k + 2)).toEqual([
        expect.closeTo(early![0]!, 4),
        expect.closeTo(last!, 4),
      ]);
    }
    // What it takes the sound for is the mean of the last seconds.
    const { genres, tags } = blocks.at(-1)!;
    expect([genres!.length, tags!.length]).toEqual([3, 4]);
    const impression = hearing.impression!.at()!;
    expect(impression).toHaveLength(3 + 3);
    expect(impression.slice(0, 3).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    expect(descriptionOf(hearing.impression!.speaker, impression).words.voice).toEqual(["choir"]);
    const whole = toyEncodings(pcm, tagger!);
    expect(given.length / 2 - 2).toBeGreaterThan(whole.length - 2);
    given.slice(4).forEach((value, i) => expect(value).toBeCloseTo(whole.flat()[i]!, 4));
  });

  it("takes the loudest so far where the floor hangs on a whole track", async () => {
    const toy = await load({ topDb: 1 });
    const pcm = noise(1200).map((value, i) => (i < 30 ? 2 : value));
    const track = await offline(toy, pcm); // the loudest comes first here
    const hearing = hearingOf(toy);
    const shown = await listen(hearing, pcm);
    expect(shown.at(-1)).toBeGreaterThan(10);
    expectSame(hearing.track, track, 8);
    const floors = toy.requests.map(({ floorDb }) => floorDb);
    expect(floors).toEqual(floors.toSorted((a, b) => a - b));
    expect(floors.at(-1)).toBeGreaterThan(toy.bundle.audio.floorDb);
  });

  it("gives up what is old when the machine is too slow, and never runs back", async () => {
    const toy = await load({ wide: true });
    const pcm = noise(2400);
    const hearing = hearingOf(toy);
    const before = await listen(hearing, pcm.subarray(0, 400));
    let open: (value?: unknown) => void = () => undefined;
    toy.gate = new Promise((resolve) => (open = resolve));
    const stuck = await listen(hearing, pcm.subarray(0, 1400), { from: 400 });
    expect(stuck.at(-1)).toBeLessThan(4.2);
    const nRequests = toy.requests.length;
    open();
    await settle();
    const after = await listen(hearing, pcm, { from: 1400 });
    for (const { runs } of toy.requests.slice(nRequests)) {
      for (const { encoder, count } of runs) {
        const seconds = count * findStream(toy.bundle, encoder).stepSeconds;
        expect(seconds).toBeLessThanOrEqual(LIVE_LATENCY_SECONDS + 1e-9);
      }
    }
    const shown = [...before, ...stuck, ...after];
    expect(shown).toEqual(shown.toSorted((a, b) => a - b));
    expect(after.at(-1)).toBeCloseTo(23, 1);
    // What was given up counts for travel, and for a while for what is usual.
    const [live, whole, travel] = [0, 1, 2].map(() => new Float32Array(2)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    hearing.track.at(22, live, travel);
    (await offline(toy, pcm)).at(22, whole, travel);
    live.forEach((value, i) => expect(Math.abs(value - whole[i]!)).toBeLessThan(0.1));
  });

  it("encodes nothing while nobody looks", async () => {
    const toy = await load();
    const pcm = noise(1000);
    const hearing = hearingOf(toy);
    await listen(hearing, pcm, { asks: false });
    expect(toy.requests.length).toBeGreaterThan(5);
    expect(hearing.track.knownSeconds).toBeLessThan(3);
    hearing.secondsAt(10_000);
    await listen(hearing, noise(1200), { from: 1000 });
    expect(hearing.track.knownSeconds).toBeGreaterThan(11);
  });

  it("keeps time while chunks come late", async () => {
    const hearing = hearingOf(await load());
    const steps: number[] = [];
    let before = 0;
    for (let i = 1; i <= 200; i++) {
      // Every fifth chunk with a jitter of 40 ms; pictures are drawn at other times.
      hearing.hear(noise(5), i * 50 + (i % 5 === 0 ? 40 : 0));
      await settle();
      const shown = hearing.secondsAt(i * 50 + 45);
      if (i > 60) steps.push(shown - before);
      before = shown;
    }
    for (const step of steps) expect(step).toBeCloseTo(0.05, 2);
  });

  it("tells once that the analysis has failed, and nothing after it was stopped", async () => {
    const toy = await load();
    const errors: unknown[] = [];
    const pcm = noise(300);
    toy.gate = failing("no more memory");
    await listen(
      hearingOf(toy, (error) => errors.push(error)),
      pcm,
    );
    expect(errors).toEqual([new Error("no more memory")]);
    const stopped = hearingOf(toy, (error) => errors.push(error));
    stopped.hear(pcm, 10);
    stopped.stop();
    await settle();
    stopped.hear(pcm, 20);
    expect(errors).toHaveLength(1);
  });
});

describe("LiveSession", () => {
  function inputOf(sampleRateHz = RATE) {
    const listeners = new Set<(samples: Float32Array) => void>();
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const stop = vi.fn(() => end());
    const input: LiveInput = {
      kind: "microphone",
      label: "A microphone",
      sampleRateHz,
      ended,
      listen: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      stop,
    };
    return {
      input,
      stop,
      end,
      give: (samples: Float32Array) => listeners.forEach((listener) => listener(samples)),
    };
  }

  it("shows how loud it is, and lets go of the device at the end", async () => {
    const toy = await load();
    const { input, stop, give } = inputOf();
    const [onEnd, onError] = [vi.fn(), vi.fn()];
    const session = new LiveSession(input, { ...toy, onEnd, onError });
    expect([session.kind, session.label, session.ready]).toEqual(["microphone", "A microphone", false]);
    give(new Float32Array(50));
    expect(session.level.value).toBe(0);
    give(new Float32Array(50).fill(1));
    expect(session.level.value).toBe(1);
    for (let i = 0; i < 100; i++) give(new Float32Array(5));
    expect(session.level.value).toBe(0);
    await settle();
    expect(session.ready).toBe(true);
    session.dispose();
    session.dispose();
    await settle();
    expect(stop).toHaveBeenCalledOnce();
    expect(onEnd).not.toHaveBeenCalled();
    expect(onError).not.toHaveBeenCalled();
  });

  it("tells when the source ends by itself, and when the analysis fails", async () => {
    const toy = await load();
    for (const reason of ["end", "error"] as const) {
      const { input, stop, end, give } = inputOf();
      const [onEnd, onError] = [vi.fn(), vi.fn()];
      if (reason === "error") toy.gate = failing("gone");
      new LiveSession(input, { ...toy, onEnd, onError });
      if (reason === "end") end();
      else give(noise(100));
      await settle();
      expect(onEnd).toHaveBeenCalledTimes(reason === "end" ? 1 : 0);
      expect(onError).toHaveBeenCalledTimes(reason === "error" ? 1 : 0);
      expect(stop).toHaveBeenCalledOnce();
    }
  });

  it("lets another model listen to the same source, at its own rate", async () => {
    const toy = await load();
    const { input, give } = inputOf(2 * RATE);
    const session = new LiveSession(input, { ...toy, onEnd: vi.fn(), onError: vi.fn() });
    const other = await load({ wide: true });
    session.use(other.analyst, other.choices);
    expect(session.ready).toBe(false);
    for (let i = 0; i < 20; i++) {
      give(noise(50));
      await settle();
    }
    expect(toy.requests).toHaveLength(0);
    expect(session.ready).toBe(true);
    const pcmSeconds = other.requests.at(-1)!.firstFrame * 0.04;
    expect(pcmSeconds).toBeGreaterThan(2);
    expect(pcmSeconds).toBeLessThan(5);
    session.dispose();
  });
});
