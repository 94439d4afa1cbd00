import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findMapping, loadBundle } from "../bundle";
import { TOY_URL, toyFetch, toyFiles } from "../testing/toy-bundle";
import { LiveInputError } from "./live-input-error";
import { LiveSession, type LiveOptions } from "./live-session";

/** What a browser gives to listen to: its tracks count as in use until they are stopped. */
class FakeTrack extends EventTarget {
  readonly label = "A microphone";
  readyState: "live" | "ended" = "live";
  readonly kind: string;

  constructor(kind: string) {
    super();
    this.kind = kind;
    tracks.push(this);
  }

  stop(): void {
    this.readyState = "ended";
  }
}

class FakeStream {
  readonly tracks = [new FakeTrack("audio"), new FakeTrack("video")];
  getTracks = () => this.tracks;
  getAudioTracks = () => this.tracks.filter(({ kind }) => kind === "audio");
  getVideoTracks = () => this.tracks.filter(({ kind }) => kind === "video");
}

class FakeContext extends EventTarget {
  state: AudioContextState = "suspended";
  readonly sampleRate: number;
  /** Whether the browser lets it run when it is asked to. */
  willing = true;
  readonly audioWorklet = { addModule: () => moduleLoaded };

  constructor({ sampleRate }: { sampleRate: number }) {
    super();
    this.sampleRate = sampleRate;
    contexts.push(this);
  }

  createMediaStreamSource = () => ({ connect: () => undefined });

  resume(): Promise<void> {
    if (!this.willing) return new Promise(() => undefined);
    this.become("running");
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.become("closed");
    return Promise.resolve();
  }

  become(state: AudioContextState): void {
    this.state = state;
    this.dispatchEvent(new Event("statechange"));
  }
}

let tracks: FakeTrack[] = [];
let contexts: FakeContext[] = [];
let moduleLoaded: Promise<void>;
let allow: () => void;
let options: LiveOptions;
const onEnd = vi.fn();

const settled = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};
const stopped = () => tracks.length > 0 && tracks.every(({ readyState }) => readyState === "ended");

beforeEach(async () => {
  tracks = [];
  contexts = [];
  onEnd.mockClear();
  moduleLoaded = Promise.resolve();
  vi.stubGlobal("fetch", toyFetch(await toyFiles()));
  const bundle = await loadBundle(TOY_URL);
  options = {
    analyst: { bundle, encode: () => Promise.resolve([]), peakDb: () => Promise.resolve(0) },
    choices: { mapping: findMapping(bundle), time: bundle.mappings.time, order: [0, 1] },
    onEnd,
    onError: vi.fn(),
  };
  const permission = new Promise<FakeStream>((resolve) => (allow = () => resolve(new FakeStream())));
  vi.stubGlobal("isSecureContext", true);
  vi.stubGlobal("navigator", {
    mediaDevices: { getUserMedia: () => permission, getDisplayMedia: () => permission },
  });
  vi.stubGlobal("AudioContext", FakeContext);
  vi.stubGlobal(
    "AudioWorkletNode",
    class {
      readonly port = {};
    },
  );
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe.each(["microphone", "tab"] as const)("a %s", (kind) => {
  it("that is allowed after nobody wants it any more is let go at once", async () => {
    const abort = new AbortController();
    const starting = LiveSession.start(kind, options, abort.signal);
    starting.catch(() => undefined);
    abort.abort();
    allow();
    await expect(starting).rejects.toBe(abort.signal.reason);
    expect(stopped()).toBe(true);
    expect(contexts).toEqual([]);
  });

  it("is let go when it stops being wanted while the browser prepares it", async () => {
    const abort = new AbortController();
    let loaded: () => void = () => undefined;
    moduleLoaded = new Promise((resolve) => (loaded = resolve));
    const starting = LiveSession.start(kind, options, abort.signal);
    starting.catch(() => undefined);
    allow();
    await settled();
    expect(contexts).toHaveLength(1);
    abort.abort();
    loaded();
    await expect(starting).rejects.toBe(abort.signal.reason);
    expect(stopped()).toBe(true);
    expect(contexts[0]!.state).toBe("closed");
  });

  it("is let go when a model cannot listen to it", async () => {
    allow();
    const broken = Object.defineProperty({ ...options }, "choices", {
      get: () => {
        throw new Error("odd choices");
      },
    });
    await expect(LiveSession.start(kind, broken)).rejects.toThrow("odd choices");
    expect(stopped()).toBe(true);
    expect(contexts[0]!.state).toBe("closed");
  });

  it("whose sound the browser takes away ends, unless it comes back", async () => {
    vi.useFakeTimers();
    allow();
    await LiveSession.start(kind, options);
    const [context] = contexts;
    context!.become("interrupted");
    await vi.advanceTimersByTimeAsync(5000);
    expect(context!.state).toBe("running");
    expect(onEnd).not.toHaveBeenCalled();
    context!.willing = false;
    context!.become("suspended");
    await vi.advanceTimersByTimeAsync(5000);
    expect(onEnd).toHaveBeenCalledOnce();
    expect(stopped()).toBe(true);
  });

  it("that is disposed is let go, and says nothing", async () => {
    allow();
    const session = await LiveSession.start(kind, options);
    expect(tracks.find(({ kind }) => kind === "audio")!.readyState).toBe("live");
    session.dispose();
    expect(stopped()).toBe(true);
    expect(contexts[0]!.state).toBe("closed");
    await settled();
    expect(onEnd).not.toHaveBeenCalled();
  });

  it("ends with its context", async () => {
    allow();
    await LiveSession.start(kind, options);
    await contexts[0]!.close();
    await settled();
    expect(onEnd).toHaveBeenCalledOnce();
    expect(stopped()).toBe(true);
  });

  it("that the browser holds back asks for a press", async () => {
    vi.useFakeTimers();
    vi.stubGlobal(
      "AudioContext",
      class extends FakeContext {
        override willing = false;
      },
    );
    allow();
    const starting = LiveSession.start(kind, options);
    const refusal = expect(starting).rejects.toThrow(LiveInputError);
    await vi.advanceTimersByTimeAsync(5000);
    await refusal;
    expect(stopped()).toBe(true);
  });
});
