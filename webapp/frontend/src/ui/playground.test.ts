import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DecodeError } from "../analysis/decode";
import type { AnalysisOptions } from "../analysis/client";
import type { Bundle } from "../bundle";
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
function bundleOf(name: string, nParameters = N): Bundle {
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
    audio: { sampleRateHz: RATE, hopLength: 10 },
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
    selfTest: { mfcc: 0, encodings: { e: 0, slow: 0 }, genres: {} },
    rejected: [],
  } as const;
  readonly focus = vi.fn();
  readonly dispose = vi.fn();
  readonly bundle: Bundle;
  readonly level: number;
  options: AnalysisOptions | null = null;

  constructor(name: string, level: number, nParameters = N) {
    this.bundle = bundleOf(name, nParameters);
    this.level = level;
  }

  analyze(_pcm: Float32Array, options: AnalysisOptions): Promise<void> {
    this.options = options;
    return new Promise(() => undefined);
  }

  /** Hand over encodings as if they had been computed. */
  encode(first: number, count: number, encoder = "e"): void {
    const encodings = new Float32Array(count * N).fill(this.level);
    this.options?.onBlock({ encoder, first, count, encodings, size: N });
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
      decode: () =>
        Promise.resolve({
          pcm: new Float32Array(10 * RATE),
          audio: { duration: 10 } as AudioBuffer,
          durationSeconds: 10,
        }),
      fetchDemoTracks: () => Promise.resolve([]),
      ...services,
    },
  });
  const shown = { values: [] as number[] };
  playground.onFrame((frame) => (shown.values = Array.from(frame.parameters)));
  return { playground, player, one: analysts.get("one")!, two: analysts.get("two")!, store, shown };
}

describe("opening a track", () => {
  it("waits for the first second, then plays", async () => {
    const { playground, player, one, shown } = setUp();
    await playground.start();
    await playground.open(song("Air"));
    expect(playground.track.value).toMatchObject({ title: "Air", durationSeconds: 10 });
    expect(playground.phase.value).toBe("loading");
    expect(player.playing).toBe(false);
    one.encode(0, 5);
    await settle();
    expect(playground.phase.value).toBe("loading");
    one.encode(5, 20);
    await settle();
    expect(playground.phase.value).toBe("playing");
    expect(player.playing).toBe(true);
    expect(shown.values[0]).toBeCloseTo(0.2, 3);
  });

  it("asks about flashing light before the first start, once", async () => {
    const { playground, player, one, store } = setUp({ noteAccepted: false });
    await playground.start();
    await playground.open(song("Air"));
    one.encode(0, 50);
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
    one.encode(0, 99);
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
    one.encode(0, 99);
    await settle();
    expect(playground.phase.value).toBe("ready");
    expect(playground.notices.list.value[0]?.text).toContain("press play");
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
    parts.one.encode(0, 30); // known up to 2.95 s
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
    one.encode(30, 20);
    await settle(200);
    expect(playground.phase.value).toBe("playing");
  });

  it("analyses first where the listener seeks to", async () => {
    const { playground, one } = await playing();
    playground.seek(8);
    await settle();
    expect(one.focus).toHaveBeenCalledWith(8);
    expect(playground.phase.value).toBe("loading");
    one.encode(79, 20);
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
    playground.chooseMapping({ projection: "raw", mode: "across", method: "minmax" });
    playground.chooseTime({ attack: 0, release: 0 });
    playground.chooseTime({ interpolation: "hold" });
    expect(playground.time.value).toEqual({
      interpolation: "hold",
      attack: 0,
      release: 0,
      tickSeconds: 0.01,
      lookAheadSeconds: 0,
    });
    await settle();
    expect(shown.values[0]).toBeCloseTo(0.1, 5);
    playground.moveParameter(0, 1);
    expect(playground.order.value.slice(0, 3)).toEqual([1, 0, 2]);
    playground.resetChoices();
    await settle();
    expect(shown.values[0]).toBeCloseTo(0.2, 3);
    expect(playground.mapping.value).toEqual({ projection: "raw", mode: "features", method: "standard" });
    expect(playground.time.value).toMatchObject({ attack: 0.5, release: 0.5, interpolation: "linear" });
    expect(playground.order.value).toEqual(inOrder);
  });

  it("shows what is ahead, and analyses there first", async () => {
    const { playground, player, one } = await playing();
    playground.chooseTime({ lookAheadSeconds: 0.5 });
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
    playground.chooseMapping({ projection: "random", mode: "across", method: "minmax" });
    one.encode(0, 19, "slow");
    await settle();
    expect(playground.phase.value).toBe("playing");
    expect(shown.values[0]).toBeCloseTo(0.1, 3);
    expect(playground.mapping.value?.projection).toBe("random");
  });

  it("gives finer numbers to what moves, unless the person has another order", async () => {
    const { playground } = await playing();
    const { visualId } = playground.settings;
    playground.chooseMapping({ projection: "random", mode: "features", method: "standard" });
    expect(playground.order.value).toEqual(inOrder);
    visualId.value = "real";
    expect(playground.order.value).toEqual(looksFirst);
    playground.chooseMapping({ projection: "raw", mode: "features", method: "standard" });
    expect(playground.order.value).toEqual(inOrder);
    playground.moveParameter(0, 2);
    const own = [1, 2, 0, ...inOrder.slice(3)];
    playground.chooseMapping({ projection: "random", mode: "features", method: "standard" });
    expect(playground.order.value).toEqual(own);
    visualId.value = "bar";
    expect(playground.order.value).toEqual(own);
    playground.resetChoices();
    visualId.value = "real";
    expect(playground.order.value).toEqual(inOrder); // the model's own mapping has one encoder
  });

  it("draws in the order that suits the picture", async () => {
    const { playground, one, shown } = await playing();
    playground.chooseTime({ attack: 0, release: 0 });
    playground.chooseMapping({ projection: "random", mode: "features", method: "standard" });
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
    await playground.chooseModel("two");
    await settle();
    expect(player.playing).toBe(true);
    expect(one.options?.signal?.aborted).toBe(true);
    expect(one.dispose).toHaveBeenCalled();
    expect(shown.values[0]).toBeCloseTo(0.2, 3); // the old one carries the picture
    two.encode(0, 40);
    await settle();
    expect(shown.values[0]).toBeCloseTo(0.8, 3);
    expect(playground.modelName.value).toBe("two");
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
    expect(playground.engine.value.kind).toBe("missing");
    expect(playground.notices.list.value[0]?.text).toContain("the picture rests");
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
    expect(playground.engine.value.kind).toBe("missing");
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
    await failing.chooseModel("two");
    expect(failing.engine.value).toMatchObject({ kind: "ready", analyst: one });
    expect(failing.modelName.value).toBe("one");
    expect(failing.notices.list.value[0]?.text).toContain("The one before goes on");
  });
});
