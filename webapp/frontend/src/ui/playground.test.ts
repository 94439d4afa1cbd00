import { signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DecodeError } from "../analysis/decode";
import { AnalysisError, type AnalysisOptions, type Pcm } from "../analysis/client";
import { ONSETS, ONSETS_SIZE, onsetStream } from "../analysis/onsets";
import { timeAxis } from "../analysis/segments";
import { findEncoder, type Bundle } from "../bundle";
import { LiveInputError } from "../live/live-input-error";
import type { LiveSession } from "../live/live-session";
import { Scope } from "../player/scope";
import type { VisualDefinition } from "../visuals/visual";
import type { Analyst, Player, Services } from "./engine";
import { hidesImportance } from "./listening";
import { Playground } from "./playground";
import { Settings, type KeyValueStore } from "./settings";
import type { TrackSource } from "./sources";

const N = 10;
const RATE = 1000;

/** Only what the page reads of a bundle. */
function bundleOf(name: string, nParameters = N, rate = RATE): Bundle {
  const scaling = (mode: string, method: string, gain: number) => ({
    mode,
    method,
    gain: Array<number>(N).fill(gain),
    offset: Array<number>(N).fill(0),
  });
  const scalings = [scaling("features", "standard", 1), scaling("across", "minmax", 0.5)];
  const part = (encoder: string, indices: number[]) => ({
    encoder,
    encodingSize: N,
    steps: [{ kind: "select", indices }],
    size: indices.length,
  });
  const all = Array.from({ length: N }, (_, i) => i);
  const encoder = { name: "e", encodingSize: N, windowFrames: 10, windowSeconds: 0.1, stepSeconds: 0.1 };
  const slow = { name: "slow", encodingSize: N, windowFrames: 50, windowSeconds: 0.5, stepSeconds: 0.5 };
  return {
    name,
    audio: { sampleRateHz: rate, hopLength: rate / 100 },
    encoders: [
      { ...encoder, timeOffsetSeconds: 0.05 },
      { ...slow, timeOffsetSeconds: 0.25 },
    ],
    mappings: {
      nParameters,
      default: { projection: "raw", mode: "features", method: "standard" },
      time: { interpolation: "linear", attack: 0.5, release: 0.5, tickSeconds: 0.01, lookAheadSeconds: 0 },
      projections: [
        { name: "raw", parts: [part("e", all)], scalings },
        { name: "random", parts: [part("e", all.slice(0, 6)), part("slow", all.slice(6))], scalings },
      ],
    },
  } as unknown as Bundle;
}

class FakeAnalyst implements Analyst {
  readonly backend = {
    name: "wasm",
    simd: true,
    threads: 1,
    selfTest: { mfcc: 0, encodings: { e: 0, slow: 0 }, genres: {}, tags: {} },
    rejected: [],
  } as const;
  readonly focus = vi.fn();
  readonly dispose = vi.fn();
  readonly encode = vi.fn(() => Promise.reject(new Error("not heard live here")));
  readonly peakDb = vi.fn(() => Promise.resolve(0));
  readonly bundle: Bundle;
  readonly level: number;
  options: AnalysisOptions | null = null;
  pcm: Pcm | null = null;
  finish: () => void = () => undefined;
  fail: (error: Error) => void = () => undefined;

  constructor(name: string, level: number, nParameters = N, rate = RATE) {
    this.bundle = bundleOf(name, nParameters, rate);
    this.level = level;
  }

  analyze(pcm: Pcm, options: AnalysisOptions): Promise<void> {
    this.options = options;
    this.pcm = pcm;
    return new Promise((resolve, reject) => {
      this.fail = reject;
      this.finish = () => {
        options.onProgress?.(1);
        resolve();
      };
    });
  }

  /** Hand over encodings as if they had been computed. */
  give(first: number, count: number, encoder = "e"): void {
    const encodings = new Float32Array(count * N).fill(this.level);
    this.options?.onBlock({ encoder, first, count, encodings, size: N });
    this.#giveOnsets(encoder, first, count);
  }

  /** Those that go with encodings, of sound that goes on evenly. */
  #giveOnsets(encoder: string, first: number, count: number): void {
    const { bundle, pcm, options } = this;
    const axisOf = (stream: Parameters<typeof timeAxis>[1]) =>
      timeAxis(bundle.audio, stream, pcm?.samples.length ?? 0);
    const [coarse, fine] = [axisOf(findEncoder(bundle, encoder)), axisOf(onsetStream(bundle.audio))];
    const onsetAt = (k: number) => {
      const seconds = coarse.firstSeconds + k * coarse.stepSeconds - fine.firstSeconds;
      return Math.max(0, Math.min(fine.count - 1, seconds / fine.stepSeconds));
    };
    const from = first === 0 ? 0 : Math.floor(onsetAt(first - 1));
    const last = first + count - 1;
    const end = last === coarse.count - 1 ? fine.count : Math.ceil(onsetAt(last)) + 1;
    const encodings = Float32Array.from({ length: (end - from) * ONSETS_SIZE }, (_, i) =>
      i % 2 ? -20 : 1.5,
    );
    options?.onBlock({ encoder: ONSETS, first: from, count: end - from, encodings, size: ONSETS_SIZE });
  }
}

class FakePlayer implements Player {
  playing = false;
  positionSeconds = 0;
  durationSeconds = 0;
  readonly sampleRateHz = RATE;
  audible = true;
  readonly warmUp = vi.fn();
  readonly setVolume = vi.fn();
  readonly setDelay = vi.fn();

  load(buffer: AudioBuffer): void {
    this.durationSeconds = buffer.duration;
    this.positionSeconds = 0;
    this.playing = false;
  }

  play(): Promise<boolean> {
    this.playing = this.audible;
    return Promise.resolve(this.audible);
  }

  pause(): void {
    this.playing = false;
  }

  seek(seconds: number): void {
    this.positionSeconds = seconds;
  }
}

const visualOf = (id: string, moves: (index: number) => boolean): VisualDefinition => ({
  id,
  title: id,
  description: "",
  parameters: Array.from({ length: N }, (_, i) => ({
    name: `p${i}`,
    label: `P ${i}`,
    rest: 0.25,
    moves: moves(i),
  })),
  create: () => {
    throw new Error("not drawn here");
  },
});
const visuals = [visualOf("bar", () => true), visualOf("real", (index) => index > 3)];
const inOrder = Array.from({ length: N }, (_, i) => i);
/** For four that choose the look and six that move, of six fine numbers and four coarse ones. */
const looksFirst = [6, 7, 8, 9, 0, 1, 2, 3, 4, 5];

const song = (title: string): TrackSource => ({
  title,
  artist: null,
  read: () => Promise.resolve(new ArrayBuffer(1)),
});

/** Ten seconds at the wanted rate. */
const decode: Services["decode"] = (_, { sampleRateHz }) =>
  Promise.resolve({
    pcm: { samples: new Float32Array(10 * sampleRateHz), sampleRateHz },
    audio: { duration: 10 } as AudioBuffer,
    durationSeconds: 10,
  });

const orderOf = (playground: Playground) => playground.choices.wires.value.map(({ source }) => source);

const frames: FrameRequestCallback[] = [];

/** Let promises settle, then draw every frame that was asked for. */
async function settle(nowMs = 0): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  for (const frame of frames.splice(0)) frame(nowMs);
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

beforeEach(() => {
  frames.length = 0;
  vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => frames.push(callback));
  vi.stubGlobal("cancelAnimationFrame", vi.fn());
});
afterEach(() => vi.unstubAllGlobals());

function setUp({
  services = {},
  noteAccepted = true,
}: { services?: Partial<Services>; noteAccepted?: boolean } = {}) {
  const player = new FakePlayer();
  const analysts = new Map([
    ["one", new FakeAnalyst("one", 0.2)],
    ["two", new FakeAnalyst("two", 0.8)],
  ]);
  const store = new Map<string, string>(noteAccepted ? [["tfdeepviz.note", "yes"]] : []);
  const keyValues: KeyValueStore = {
    getItem: (key) => store.get(key) ?? null,
    setItem: (key, value) => void store.set(key, value),
  };
  const entry = (name: string) => ({
    name,
    title: name,
    versions: [1],
    latest: 1,
    latestUrl: `http://x/${name}/1/`,
  });
  const playground = new Playground({
    settings: new Settings(new Scope(), keyValues, false, ["bar", "real"]),
    visuals,
    services: {
      player,
      loadRegistry: () => Promise.resolve({ url: "http://x/", bundles: [entry("one"), entry("two")] }),
      startAnalyst: (url) => Promise.resolve(analysts.get(url.split("/")[3] ?? "")!),
      decode,
      fetchDemoTracks: () => Promise.resolve([]),
      startLive: () => Promise.reject(new LiveInputError("denied", "Allow it, then try again.")),
      ...services,
    },
  });
  const shown = { values: [] as number[] };
  const recalled = { values: [] as number[] };
  playground.onFrame((frame) => {
    shown.values = Array.from(frame.parameters);
    const out = new Float32Array(N);
    frame.recall(frame.timeSeconds, out);
    recalled.values = Array.from(out);
  });
  return { playground, player, one: analysts.get("one")!, two: analysts.get("two")!, store, shown, recalled };
}

describe("opening a track", () => {
  it("waits for the first second, then plays", async () => {
    const { playground, player, one, shown } = setUp();
    await playground.start();
    await playground.open(song("Air"));
    expect(playground.track.value).toMatchObject({ title: "Air", durationSeconds: 10 });
    expect(playground.phase.value).toBe("loading");
    expect(player.playing).toBe(false);
    one.give(0, 5);
    await settle();
    expect(playground.phase.value).toBe("loading");
    one.give(5, 20);
    await settle();
    expect(playground.phase.value).toBe("playing");
    expect(player.playing).toBe(true);
    expect(shown.values[0]).toBeCloseTo(0.2, 3);
  });

  it("asks about flashing light before the first start, once", async () => {
    const { playground, player, one, store } = setUp({ noteAccepted: false });
    await playground.start();
    await playground.open(song("Air"));
    one.give(0, 50);
    await settle();
    expect(playground.noteOpen.value).toBe(true);
    expect(player.playing).toBe(false);
    expect(playground.phase.value).toBe("ready");
    playground.declineNote();
    expect(playground.phase.value).toBe("ready");
    await playground.play();
    expect(playground.noteOpen.value).toBe(true);
    await playground.acceptNote();
    expect(playground.phase.value).toBe("playing");
    expect(store.get("tfdeepviz.note")).toBe("yes");
  });

  it("keeps what plays when the next file is no music", async () => {
    const { playground, player, one } = setUp();
    await playground.start();
    await playground.open(song("Air"));
    one.give(0, 99);
    await settle();
    await playground.open({
      ...song("Letter"),
      read: () => Promise.reject(new DecodeError("empty", "Empty.")),
    });
    expect(playground.notices.list.value).toMatchObject([{ kind: "error", text: "“Letter”: Empty." }]);
    expect(playground.phase.value).toBe("playing");
    expect(player.playing).toBe(true);
    expect(playground.track.value?.title).toBe("Air");
  });

  it("is in error when there is nothing to go on with, until the next file", async () => {
    const decode = vi.fn().mockRejectedValueOnce(new DecodeError("unsupported", "No."));
    const { playground } = setUp({ services: { decode } });
    await playground.start();
    await playground.open(song("Letter"));
    expect(playground.phase.value).toBe("error");
    decode.mockReturnValue(new Promise(() => undefined));
    void playground.open(song("Air"));
    expect(playground.phase.value).toBe("loading");
    expect(playground.notices.list.value).toEqual([]);
  });

  it("lets the latest of several win", async () => {
    const { playground } = setUp();
    await playground.start();
    await Promise.all(["one", "two", "three"].map((title) => playground.open(song(title))));
    expect(playground.track.value?.title).toBe("three");
  });

  it("says what to do when the browser holds the sound back", async () => {
    const { playground, player, one } = setUp();
    player.audible = false;
    await playground.start();
    await playground.open(song("Air"));
    one.give(0, 99);
    await settle();
    expect(playground.phase.value).toBe("ready");
    expect(playground.notices.list.value[0]?.text).toContain("Press Play");
    player.audible = true;
    playground.notices.list.value[0]?.action?.run();
    await settle();
    expect(playground.phase.value).toBe("playing");
  });
});

describe("playback and analysis", () => {
  async function playing() {
    const parts = setUp();
    await parts.playground.start();
    await parts.playground.open(song("Air"));
    parts.one.give(0, 30); // known up to 2.95 s
    await settle();
    return parts;
  }

  it("waits visibly when it has caught up, and goes on by itself", async () => {
    const { playground, player, one } = await playing();
    player.positionSeconds = 2.9;
    await settle(100);
    expect(playground.phase.value).toBe("loading");
    expect(playground.progress.value).toContain("Waiting");
    expect(player.playing).toBe(false);
    one.give(30, 20);
    await settle(200);
    expect(playground.phase.value).toBe("playing");
  });

  it("analyses first where the listener seeks to", async () => {
    const { playground, one } = await playing();
    playground.seek(8);
    await settle();
    expect(one.focus).toHaveBeenCalledWith(8);
    expect(playground.phase.value).toBe("loading");
    one.give(79, 20);
    await settle();
    expect(playground.phase.value).toBe("playing");
  });

  it("draws nothing more once it is paused", async () => {
    const { playground } = await playing();
    playground.pause();
    await settle();
    expect(frames).toHaveLength(0);
    expect(playground.phase.value).toBe("paused");
  });

  it("is paused when the sound is taken away, and goes on when it is given back", async () => {
    const { playground, player } = await playing();
    player.playing = false;
    playground.interrupted();
    expect(playground.phase.value).toBe("paused");
    expect(playground.notices.list.value).toMatchObject([{ action: { label: "Play" } }]);
    playground.restored();
    await settle();
    expect(playground.phase.value).toBe("playing");
    expect(player.playing).toBe(true);
    expect(playground.notices.list.value).toEqual([]);
  });

  it("begins anew from the end", async () => {
    const { playground, player } = await playing();
    player.positionSeconds = 10;
    playground.ended();
    expect(playground.phase.value).toBe("paused");
    expect(playground.positionSeconds.value).toBe(10);
    await playground.play();
    expect(player.positionSeconds).toBe(0);
  });

  it("applies mapping, time and order at once", async () => {
    const { playground, shown } = await playing();
    playground.choices.chooseMapping({ projection: "raw", mode: "across", method: "minmax" });
    playground.choices.chooseTime({ attack: 0, release: 0 });
    playground.choices.chooseTime({ interpolation: "hold" });
    expect(playground.choices.time.value).toEqual({
      interpolation: "hold",
      attack: 0,
      release: 0,
      tickSeconds: 0.01,
      lookAheadSeconds: 0,
    });
    await settle();
    expect(shown.values[0]).toBeCloseTo(0.1, 5);
    playground.choices.moveSource(0, 1);
    expect(orderOf(playground).slice(0, 3)).toEqual([1, 0, 2]);
    playground.choices.reset();
    await settle();
    expect(shown.values[0]).toBeCloseTo(0.2, 3);
    expect(playground.choices.mapping.value).toEqual({
      projection: "raw",
      mode: "features",
      method: "standard",
    });
    expect(playground.choices.time.value).toMatchObject({
      attack: 0.5,
      release: 0.5,
      interpolation: "linear",
    });
    expect(orderOf(playground)).toEqual(inOrder);
  });

  it("shows what is ahead, and analyses there first", async () => {
    const { playground, player, one } = await playing();
    playground.choices.chooseTime({ lookAheadSeconds: 0.5 });
    player.positionSeconds = 2.3; // 2.8 s are shown, and known up to 2.95 s
    await settle(100);
    expect(playground.phase.value).toBe("playing");
    player.positionSeconds = 2.6;
    await settle(200);
    expect(playground.phase.value).toBe("loading");
    playground.seek(8);
    expect(one.focus).toHaveBeenCalledWith(8.5);
  });

  it("takes another projection at once, from what is known", async () => {
    const { playground, one, shown } = await playing();
    playground.choices.chooseMapping({ projection: "random", mode: "across", method: "minmax" });
    one.give(0, 19, "slow");
    await settle();
    expect(playground.phase.value).toBe("playing");
    expect(shown.values[0]).toBeCloseTo(0.1, 3);
    expect(playground.choices.mapping.value?.projection).toBe("random");
  });

  it("gives finer numbers to what moves, unless the person has another order", async () => {
    const { playground } = await playing();
    const { visualId } = playground.settings;
    playground.choices.chooseMapping({ projection: "random", mode: "features", method: "standard" });
    expect(orderOf(playground)).toEqual(inOrder);
    visualId.value = "real";
    expect(orderOf(playground)).toEqual(looksFirst);
    playground.choices.chooseMapping({ projection: "raw", mode: "features", method: "standard" });
    expect(orderOf(playground)).toEqual(inOrder);
    playground.choices.moveSource(0, 2);
    const own = [1, 2, 0, ...inOrder.slice(3)];
    playground.choices.chooseMapping({ projection: "random", mode: "features", method: "standard" });
    expect(orderOf(playground)).toEqual(own);
    visualId.value = "bar"; // what is set for one picture means nothing in another
    expect(orderOf(playground)).toEqual(inOrder);
    visualId.value = "real";
    expect(orderOf(playground)).toEqual(own);
    playground.choices.reset();
    expect(orderOf(playground)).toEqual(inOrder); // the model's own mapping has one encoder
  });

  it("turns and holds parameters, also where they are recalled", async () => {
    const { playground, shown, recalled } = await playing();
    playground.choices.changeWire(0, { inverted: true });
    playground.choices.changeWire(1, { held: 0.7 });
    await settle();
    expect(shown.values[0]).toBeCloseTo(0.8, 3);
    expect(shown.values[1]).toBeCloseTo(0.7, 5);
    expect(shown.values[2]).toBeCloseTo(0.2, 3);
    expect(recalled.values.slice(0, 2)).toEqual([shown.values[0], shown.values[1]]);
  });

  it("hands a look on and takes it over", async () => {
    const { playground, two } = await playing();
    const before = playground.look.value;
    expect(before.model).toBeNull(); // the server's first one
    playground.choices.chooseVisual("real");
    playground.choices.moveSource(0, 1);
    playground.choices.chooseSeed(7);
    playground.choices.chooseTime({ attack: 0 });
    await playground.models.choose("two");
    const look = playground.look.value;
    expect(look).toMatchObject({ visual: "real", seed: 7, model: "two", time: { attack: 0 } });
    expect(look.wires?.[0]?.source).toBe(1);
    playground.applyLook(before);
    await settle();
    expect(playground.look.value).toEqual(before);
    expect(two.dispose).toHaveBeenCalled();
    playground.applyLook(look);
    expect(playground.choices.look.value).toMatchObject({ visual: "real", seed: 7, wires: look.wires });
  });

  it("records what is there, whatever is chosen meanwhile", async () => {
    const { playground, one } = await playing();
    expect(playground.recordingObstacle.value).toContain("Still analysing the track: 0%.");
    one.finish();
    await settle();
    expect(playground.recordingObstacle.value).toBeNull();
    const subject = playground.recordingSubject();
    const before = subject.frameAt(1).parameters[0];
    playground.choices.changeWire(0, { held: 1 });
    playground.choices.chooseMapping({ projection: "raw", mode: "across", method: "minmax" });
    expect(subject.frameAt(1).parameters[0]).toBe(before);
    expect(playground.sections.value).not.toBeNull();
  });

  it("draws in the order that suits the picture", async () => {
    const { playground, one, shown } = await playing();
    playground.choices.chooseTime({ attack: 0, release: 0 });
    playground.choices.chooseMapping({ projection: "random", mode: "features", method: "standard" });
    one.options?.onBlock({
      encoder: "slow",
      first: 0,
      count: 19,
      encodings: new Float32Array(19 * N).fill(0.9),
      size: N,
    });
    await settle();
    const [fine, coarse] = [0.2, 0.9];
    const expected = (order: readonly number[]) => order.map((number) => (number < 6 ? fine : coarse));
    shown.values.forEach((value, i) => expect(value).toBeCloseTo(expected(inOrder)[i]!, 5));
    playground.settings.visualId.value = "real";
    await settle(100);
    shown.values.forEach((value, i) => expect(value).toBeCloseTo(expected(looksFirst)[i]!, 5));
  });

  it("changes the model under playing music", async () => {
    const { playground, player, one, two, shown } = await playing();
    await playground.models.choose("two");
    await settle();
    expect(player.playing).toBe(true);
    expect(one.options?.signal?.aborted).toBe(true);
    expect(one.dispose).toHaveBeenCalled();
    expect(shown.values[0]).toBeCloseTo(0.2, 3); // the old one carries the picture
    two.give(0, 40);
    await settle();
    expect(shown.values[0]).toBeCloseTo(0.8, 3);
    expect(playground.models.name.value).toBe("two");
  });
});

describe("a track on its way", () => {
  it("is given up as soon as another one is opened", async () => {
    const signals: AbortSignal[] = [];
    const slow = vi.fn(decode);
    const { playground } = setUp({ services: { decode: slow } });
    await playground.start();
    slow.mockImplementation((_, { signal }) => {
      signals.push(signal!);
      return new Promise(() => undefined);
    });
    void playground.open(song("Long"));
    await settle();
    expect(signals[0]!.aborted).toBe(false);
    slow.mockImplementation(decode);
    await playground.open(song("Air"));
    expect(signals[0]!.aborted).toBe(true);
    expect(playground.track.value?.title).toBe("Air");
  });
});

describe("models of several rates", () => {
  const rates = { one: RATE, two: 2 * RATE };
  const ofRate = (name: keyof typeof rates) => new FakeAnalyst(name, 0.5, N, rates[name]);

  async function opened(services: Partial<Services> = {}) {
    const [one, two] = [ofRate("one"), ofRate("two")];
    const analysts = { one, two };
    const parts = setUp({
      services: {
        startAnalyst: (url) => Promise.resolve(url.includes("two") ? analysts.two : analysts.one),
        ...services,
      },
    });
    await parts.playground.start();
    return { ...parts, one, two };
  }

  it("each hear the track at their own", async () => {
    const { playground, one, two } = await opened();
    await playground.open(song("Air"));
    expect(one.pcm?.sampleRateHz).toBe(RATE);
    await playground.models.choose("two");
    await settle();
    expect(two.pcm?.sampleRateHz).toBe(2 * RATE);
    expect(two.pcm?.samples).toHaveLength(20 * RATE);
  });

  it("hear no track that was decoded for the one before", async () => {
    let finish: () => void = () => undefined;
    const slow = vi.fn(decode);
    const { playground, one, two } = await opened({ decode: slow });
    slow.mockImplementationOnce(async (data, options) => {
      await new Promise<void>((resolve) => (finish = resolve));
      return decode(data, options);
    });
    const opening = playground.open(song("Air"));
    await settle();
    await playground.models.choose("two");
    finish();
    await opening;
    await settle();
    expect(one.pcm).toBeNull();
    expect(two.pcm?.sampleRateHz).toBe(2 * RATE);
  });

  it("hear no other track than the one that is open", async () => {
    let finish: () => void = () => undefined;
    const slow = vi.fn(decode);
    const { playground, two } = await opened({ decode: slow });
    await playground.open(song("Air"));
    slow.mockImplementationOnce(async (data, options) => {
      await new Promise<void>((resolve) => (finish = resolve));
      return decode(data, options);
    });
    const choosing = playground.models.choose("two");
    await settle();
    const opening = playground.open(song("Next"));
    await settle();
    slow.mockImplementation(async (data, options) => {
      const { audio } = await decode(data, options);
      const samples = new Float32Array(7 * options.sampleRateHz);
      return { audio, pcm: { samples, sampleRateHz: options.sampleRateHz }, durationSeconds: 7 };
    });
    finish();
    await choosing;
    await opening;
    await settle();
    expect(two.pcm?.samples).toHaveLength(7 * 2 * RATE);
  });

  it("say what is wrong with a track that cannot be decoded again", async () => {
    const slow = vi.fn(decode);
    const { playground } = await opened({ decode: slow });
    await playground.open(song("Air"));
    slow.mockRejectedValueOnce(new DecodeError("unreadable", "The file has moved. Choose it again."));
    await playground.models.choose("two");
    expect(playground.models.name.value).toBe("one");
    expect(playground.notices.list.value[0]?.text).toBe(
      "The file has moved. Choose it again. The previous model keeps listening.",
    );
  });
});

describe("an analysis that fails", () => {
  it("lets the music go on, and a fresh model of the same name take the track up", async () => {
    const started: FakeAnalyst[] = [];
    const { playground, player } = setUp({
      services: {
        startAnalyst: () => {
          started.push(new FakeAnalyst("one", 0.2));
          return Promise.resolve(started.at(-1)!);
        },
      },
    });
    await playground.start();
    await playground.open(song("Air"));
    started[0]!.give(0, 30);
    await settle();
    player.positionSeconds = 2;
    started[0]!.fail(new AnalysisError("x is null"));
    await settle();
    expect(player.playing).toBe(true);
    expect(started[0]!.dispose).toHaveBeenCalled();
    const [notice] = playground.notices.list.value;
    expect(notice?.text).toBe(
      "The analysis stopped unexpectedly; the browser says “x is null”. Try again. " +
        "Music plays, but the picture will not react.",
    );
    await playground.open(song("Bourrée"));
    expect(playground.notices.list.value).toEqual([notice]);
    player.positionSeconds = 2;
    notice?.action?.run();
    await settle();
    expect(started).toHaveLength(2);
    expect(started[1]!.pcm?.samples).toHaveLength(10 * RATE);
    expect(started[1]!.focus).toHaveBeenCalledWith(2);
    expect(playground.models.name.value).toBe("one");
  });
});

describe("live sound", () => {
  function liveSession() {
    return {
      kind: "microphone",
      label: "A microphone",
      ready: true,
      level: signal(0),
      secondsAt: () => 3,
      motionAt: (seconds: number) => ({ musicSeconds: seconds, pulse: 0 }),
      at: (_: number, parameters: Float32Array) => parameters.fill(0.9),
      choose: vi.fn(),
      use: vi.fn(),
      dispose: vi.fn(),
    };
  }

  it("takes the track's place until it ends, and follows choices", async () => {
    const session = liveSession();
    let end: () => void = () => undefined;
    const { playground, player, one, two, shown } = setUp({
      services: {
        startLive: (_, { onEnd }) => {
          end = onEnd;
          return Promise.resolve(session as unknown as LiveSession);
        },
      },
    });
    await playground.start();
    await playground.open(song("Air"));
    one.give(0, 50);
    await settle();
    await playground.listenLive("microphone");
    await settle(50);
    expect(playground.phase.value).toBe("playing");
    expect(player.playing).toBe(false);
    expect(shown.values[0]).toBeCloseTo(0.9, 5);
    playground.choices.changeWire(0, { inverted: true });
    await settle(100);
    expect(shown.values[0]).toBeCloseTo(0.1, 5);
    expect(session.choose).toHaveBeenCalled();
    await playground.models.choose("two");
    expect(session.use).toHaveBeenCalledWith(two, expect.anything());
    end();
    expect(playground.live.value).toBeNull();
    expect(playground.phase.value).toBe("paused");
    await playground.listenLive("microphone");
    await playground.open(song("Next"));
    expect(session.dispose).toHaveBeenCalled();
  });

  describe("that is allowed late", () => {
    /** Asks that stay open until the test answers them. */
    function asking() {
      const asked: { signal: AbortSignal; allow: () => ReturnType<typeof liveSession>; end: () => void }[] =
        [];
      const parts = setUp({
        services: {
          startLive: (_, { onEnd }, signal) =>
            new Promise((resolve) => {
              const allow = () => {
                const session = liveSession();
                resolve(session as unknown as LiveSession);
                return session;
              };
              asked.push({ signal, allow, end: onEnd });
            }),
        },
      });
      return { ...parts, asked };
    }

    it("is let go when another request came meanwhile", async () => {
      const { playground, asked } = asking();
      await playground.start();
      void playground.listenLive("microphone");
      void playground.listenLive("tab");
      expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, false]);
      const second = asked[1]!.allow();
      await settle();
      const first = asked[0]!.allow();
      await settle();
      expect(first.dispose).toHaveBeenCalled();
      expect(second.dispose).not.toHaveBeenCalled();
      expect(playground.live.value).toBe(second);
      asked[0]!.end(); // the end of what nobody hears says nothing
      expect(playground.live.value).toBe(second);
      expect(playground.notices.list.value).toEqual([]);
    });

    it.each<[string, (playground: Playground) => unknown]>([
      ["a track was opened", (playground) => playground.open(song("Air"))],
      ["the track plays again", (playground) => playground.togglePlay()],
      ["a media key started the track", (playground) => playground.play()],
      ["the page is gone", (playground) => playground.dispose()],
    ])("is let go when %s", async (_, act) => {
      const { playground, one, asked } = asking();
      await playground.start();
      await playground.open(song("Before"));
      one.give(0, 99);
      await settle();
      void playground.listenLive("microphone");
      void act(playground);
      expect(asked[0]!.signal.aborted).toBe(true);
      const session = asked[0]!.allow();
      await settle();
      expect(session.dispose).toHaveBeenCalled();
      expect(playground.live.value).toBeNull();
    });

    it("ends what was being opened", async () => {
      const { playground, asked } = asking();
      await playground.start();
      const opening = playground.open(song("Air"));
      void playground.listenLive("microphone");
      await opening;
      expect(playground.track.value).toBeNull();
      expect(playground.opening.value).toBeNull();
      asked[0]!.allow();
      await settle();
      expect(playground.live.value).not.toBeNull();
    });

    it("is not shown when it ended before it could be", async () => {
      const { playground, asked } = asking();
      await playground.start();
      void playground.listenLive("microphone");
      asked[0]!.end();
      const session = asked[0]!.allow();
      await settle();
      expect(session.dispose).toHaveBeenCalled();
      expect(playground.live.value).toBeNull();
    });
  });

  it("gives way to the track when a media key starts it", async () => {
    const session = liveSession();
    const { playground, player, one } = setUp({
      services: { startLive: () => Promise.resolve(session as unknown as LiveSession) },
    });
    await playground.start();
    await playground.open(song("Air"));
    one.give(0, 99);
    await settle();
    await playground.listenLive("microphone");
    await playground.play();
    expect(session.dispose).toHaveBeenCalled();
    expect(playground.live.value).toBeNull();
    one.give(0, 99);
    await settle();
    expect(player.playing).toBe(true);
  });

  it("waits for the note, and says why there is nothing to hear", async () => {
    const { playground } = setUp({ noteAccepted: false });
    await playground.listenLive("microphone");
    expect(playground.notices.list.value[0]?.text).toContain("not ready yet");
    await playground.start();
    await playground.listenLive("microphone");
    expect(playground.noteOpen.value).toBe(true);
    await playground.acceptNote();
    expect(playground.notices.list.value.at(-1)?.text).toBe("Allow it, then try again.");
    expect(playground.live.value).toBeNull();
  });
});

describe("a playlist", () => {
  it("goes on by itself and on request", async () => {
    const { playground, one } = setUp();
    await playground.start();
    await playground.openAll([song("a"), song("b"), song("c")]);
    const heard = () => playground.track.value?.title;
    expect(heard()).toBe("a");
    one.give(0, 99);
    await settle();
    playground.ended();
    await settle();
    expect(heard()).toBe("b");
    await playground.step(-1);
    expect(heard()).toBe("a");
    await playground.step(-1);
    expect(heard()).toBe("a");
  });

  it("goes on behind a track that is taken off it while it plays", async () => {
    const { playground, one } = setUp();
    await playground.start();
    await playground.openAll([song("a"), song("b"), song("c")]);
    one.give(0, 99);
    await settle();
    playground.playlist.remove(playground.playlist.current.value!.id);
    expect(playground.playing.value).toBe(true);
    playground.ended();
    await settle();
    expect(playground.track.value?.title).toBe("b");
  });
});

describe("bad tracks in a playlist", () => {
  const bad = (title: string): TrackSource => ({
    ...song(title),
    read: () => Promise.reject(new DecodeError("unsupported", "No audio.")),
  });
  const texts = (playground: Playground) => playground.notices.list.value.map(({ text }) => text);
  const titleOf = (playground: Playground) => playground.track.value?.title;
  const currentOf = (playground: Playground) => playground.playlist.current.value?.source.title;

  async function opened(...sources: TrackSource[]) {
    const parts = setUp();
    await parts.playground.start();
    await parts.playground.openAll(sources);
    parts.one.give(0, 99);
    await settle();
    return parts;
  }

  it("are skipped and named, also the first", async () => {
    const { playground } = await opened(bad("a"), bad("b"), song("c"), song("d"));
    expect(titleOf(playground)).toBe("c");
    expect(playground.phase.value).toBe("playing");
    expect(texts(playground)).toEqual(["“b”: No audio. Also not played: “a”."]);
    expect(playground.playlist.neighbours.value).toEqual({ previous: true, next: true });
  });

  it("do not stop music that goes on by itself, in either direction", async () => {
    const { playground } = await opened(song("a"), bad("b"), song("c"));
    playground.ended();
    await settle();
    expect(titleOf(playground)).toBe("c");
    expect(texts(playground)).toEqual(["“b”: No audio."]);
    await playground.step(-1);
    expect(titleOf(playground)).toBe("a");
    expect(texts(playground)).toEqual(["“b”: No audio."]);
  });

  it("stop it after a few in a row, with a way on", async () => {
    const { playground } = await opened(bad("a"), bad("b"), bad("c"), bad("d"), song("e"));
    expect(playground.phase.value).toBe("error");
    expect(currentOf(playground)).toBe("c");
    expect(texts(playground)).toEqual(["“c”: No audio. Also not played: “a” and “b”."]);
    const { action } = playground.notices.list.value[0]!;
    expect(action?.label).toBe("Next track");
    action?.run();
    await settle();
    expect(titleOf(playground)).toBe("e");
  });

  it("at the end leave what plays where it stands in the list", async () => {
    const { playground, player, one } = await opened(song("a"), song("b"), bad("c"));
    await playground.step(2);
    expect(titleOf(playground)).toBe("a");
    expect(player.playing).toBe(true);
    expect(currentOf(playground)).toBe("a");
    playground.ended();
    await settle();
    expect(titleOf(playground)).toBe("b");
    one.give(0, 99);
    await settle();
    playground.ended();
    await settle();
    expect(playground.phase.value).toBe("paused");
    expect(currentOf(playground)).toBe("b");
  });

  it("are not tried any more when something else is opened", async () => {
    const { playground } = await opened();
    let fail: () => void = () => undefined;
    const slow = {
      ...song("slow"),
      read: () => new Promise<never>((_, no) => (fail = () => no(new Error("gone")))),
    };
    const opening = playground.openAll([slow, song("after")]);
    await playground.openAll([song("other")]);
    fail();
    await opening;
    expect(titleOf(playground)).toBe("other");
    expect(currentOf(playground)).toBe("other");
    expect(texts(playground)).toEqual([]);
  });

  it("are told beside what was added", async () => {
    vi.stubGlobal(
      "Audio",
      class {
        canPlayType = () => "maybe";
      },
    );
    const decode = vi.fn().mockRejectedValueOnce(new DecodeError("unsupported", "No audio."));
    decode.mockResolvedValue({
      pcm: { samples: new Float32Array(RATE), sampleRateHz: RATE },
      audio: { duration: 1 },
      durationSeconds: 1,
    });
    const { playground } = setUp({ services: { decode } });
    await playground.start();
    await playground.openFiles(
      ["00 bad.mp3", "01 good.mp3", "notes.txt"].map((name) => new File(["x"], name)),
    );
    expect(titleOf(playground)).toBe("01 good");
    expect(texts(playground)).toEqual([
      "Added 2 tracks. Skipped notes.txt: not audio that this browser plays.",
      "“00 bad”: No audio.",
    ]);
    await playground.openFiles([]);
    expect(texts(playground).at(-1)).toBe("The folder is empty.");
  });
});

describe("importance", () => {
  it("is hidden by scaling each number by itself", () => {
    const choice = { mode: "features", method: "robust" } as const;
    expect(hidesImportance({ projection: "pca", ...choice })).toBe(true);
    expect(hidesImportance({ projection: "kmeans-pca", ...choice })).toBe(true);
    expect(hidesImportance({ projection: "kmeans", ...choice })).toBe(false);
    expect(hidesImportance({ projection: "pca", ...choice, mode: "across" })).toBe(false);
  });
});

describe("without a model", () => {
  it("plays music and lets the picture rest", async () => {
    const { playground, player, shown } = setUp({
      services: { loadRegistry: () => Promise.reject(new Error("gone")) },
    });
    await playground.start();
    expect(playground.models.state.value.kind).toBe("missing");
    expect(playground.notices.list.value[0]?.text).toContain("the picture will not react");
    await playground.open(song("Air"));
    await settle();
    expect(playground.phase.value).toBe("playing");
    expect(player.playing).toBe(true);
    for (const value of shown.values) expect(Math.abs(value - 0.25)).toBeLessThan(0.1);
  });

  it("refuses a model that gives another number of parameters", async () => {
    const small = new FakeAnalyst("small", 0.2, 5);
    const { playground } = setUp({ services: { startAnalyst: () => Promise.resolve(small) } });
    await playground.start();
    expect(playground.models.state.value.kind).toBe("missing");
    expect(playground.notices.list.value[0]?.text).toContain("n_parameters is 5");
    expect(small.dispose).toHaveBeenCalled();
  });

  it("keeps the old model when the new one fails", async () => {
    const one = new FakeAnalyst("one", 0.2);
    const failing = setUp({
      services: {
        startAnalyst: (url) =>
          url.includes("two") ? Promise.reject(new Error("broken")) : Promise.resolve(one),
      },
    }).playground;
    await failing.start();
    await failing.models.choose("two");
    expect(failing.models.state.value).toMatchObject({ kind: "ready", analyst: one });
    expect(failing.models.name.value).toBe("one");
    expect(failing.notices.list.value[0]?.text).toContain("The previous model keeps listening");
  });
});
