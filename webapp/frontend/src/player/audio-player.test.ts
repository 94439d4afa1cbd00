import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AudioPlayer } from "./audio-player";
import { Scope } from "./scope";

class FakeParam {
  value = 1;
  readonly setTargetAtTime = vi.fn();
  readonly setValueAtTime = vi.fn();
  readonly linearRampToValueAtTime = vi.fn();
  readonly cancelScheduledValues = vi.fn();
}

class FakeSource extends EventTarget {
  buffer: AudioBuffer | null = null;
  readonly start = vi.fn();
  readonly stop = vi.fn();
  readonly connect = vi.fn();
}

/** An audio device whose time runs with the test's timers while it is awake. */
class FakeContext extends EventTarget {
  static willing = true;
  state: AudioContextState = "suspended";
  readonly sampleRate = 44100;
  readonly destination = {};
  readonly outputLatency = 0;
  readonly baseLatency = 0;
  readonly sources: FakeSource[] = [];
  stalled = false;
  #seconds = 0;
  #sinceMs = performance.now();

  constructor() {
    super();
    contexts.push(this);
  }

  get currentTime(): number {
    return this.#settle();
  }

  #settle(): number {
    const nowMs = performance.now();
    if (this.state === "running" && !this.stalled) this.#seconds += (nowMs - this.#sinceMs) / 1000;
    this.#sinceMs = nowMs;
    return this.#seconds;
  }

  createGain = () => ({ gain: new FakeParam(), connect: vi.fn(), disconnect: vi.fn() });

  createBufferSource(): FakeSource {
    const source = new FakeSource();
    this.sources.push(source);
    return source;
  }

  become(state: AudioContextState): void {
    if (this.state === state) return;
    this.#settle();
    this.state = state;
    this.dispatchEvent(new Event("statechange"));
  }

  resume(): Promise<void> {
    if (!FakeContext.willing) return new Promise(() => undefined);
    return Promise.resolve().then(() => this.become("running"));
  }

  suspend(): Promise<void> {
    return new Promise((resolve) =>
      setTimeout(() => {
        this.become("suspended");
        resolve();
      }, 5),
    );
  }

  close(): Promise<void> {
    if (this.state === "closed") return Promise.reject(new DOMException("closed", "InvalidStateError"));
    this.become("closed");
    return Promise.resolve();
  }
}

let contexts: FakeContext[] = [];
let scope: Scope;
const events = { onEnded: vi.fn(), onInterrupted: vi.fn(), onRestored: vi.fn() };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  contexts = [];
  FakeContext.willing = true;
  scope = new Scope();
  for (const event of Object.values(events)) event.mockReset();
  vi.stubGlobal("AudioContext", FakeContext);
});
afterEach(() => {
  scope.dispose();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);

async function playing(): Promise<AudioPlayer> {
  const player = new AudioPlayer(scope, events);
  player.load({ duration: 60 } as AudioBuffer);
  expect(await player.play()).toBe(true);
  await pass(2);
  expect(player.positionSeconds).toBeCloseTo(2, 1);
  return player;
}

describe("an audio player", () => {
  it.each(["suspended", "interrupted", "closed"] as const)(
    "stands still and says so when its context is %s from outside",
    async (state) => {
      const player = await playing();
      contexts[0]!.become(state);
      expect(player.playing).toBe(false);
      expect(events.onInterrupted).toHaveBeenCalledOnce();
      expect(player.positionSeconds).toBeCloseTo(2, 1);
      player.pause(); // what the page does then
      expect(await player.play()).toBe(true);
      await pass(1);
      expect(player.playing).toBe(true);
      expect(player.positionSeconds).toBeCloseTo(3, 1);
      expect(contexts).toHaveLength(state === "closed" ? 2 : 1);
      expect(events.onRestored).not.toHaveBeenCalled();
    },
  );

  it("tells when an interruption is over, unless something else was asked for", async () => {
    const player = await playing();
    events.onInterrupted.mockImplementation(() => player.pause());
    contexts[0]!.become("interrupted");
    await pass(30);
    contexts[0]!.become("running");
    expect(events.onRestored).toHaveBeenCalledOnce();
    await player.play();
    contexts[0]!.become("interrupted");
    player.pause();
    contexts[0]!.become("running");
    expect(events.onRestored).toHaveBeenCalledOnce();
    await player.play();
    contexts[0]!.become("suspended"); // by somebody who may not want it to go on
    contexts[0]!.become("running");
    expect(events.onRestored).toHaveBeenCalledOnce();
  });

  it("lets the device sleep after a pause, and wakes it", async () => {
    const player = await playing();
    player.pause();
    await pass(1);
    expect(contexts[0]!.state).toBe("running");
    await player.play();
    await pass(30);
    expect(contexts[0]!.state).toBe("running");
    player.pause();
    await pass(30);
    expect(contexts[0]!.state).toBe("suspended");
    expect(await player.play()).toBe(true);
    await pass(10);
    expect(player.playing).toBe(true);
    expect(events.onInterrupted).not.toHaveBeenCalled();
  });

  it("plays although the device is just falling asleep", async () => {
    const player = await playing();
    player.pause();
    const suspend = vi.spyOn(contexts[0]!, "suspend");
    while (suspend.mock.calls.length === 0) await pass(0.001);
    const audible = player.play();
    await pass(1);
    expect(await audible).toBe(true);
    expect(player.playing).toBe(true);
    expect(contexts[0]!.state).toBe("running");
    expect(events.onInterrupted).not.toHaveBeenCalled();
  });

  it("lets a device sleep that was opened for nothing", async () => {
    const player = new AudioPlayer(scope, events);
    player.warmUp();
    contexts[0]!.become("running");
    await pass(30);
    expect(contexts[0]!.state).toBe("suspended");
  });

  it("takes a new context where the old one stands still and says that it runs", async () => {
    const player = await playing();
    player.setVolume(0.5);
    contexts[0]!.stalled = true;
    await pass(10);
    expect(contexts.map(({ state }) => state)).toEqual(["closed", "running"]);
    const before = player.positionSeconds;
    await pass(2);
    expect(player.playing).toBe(true);
    expect(player.positionSeconds - before).toBeCloseTo(2, 1);
    expect(events.onInterrupted).not.toHaveBeenCalled();
  });

  it("says so when the new context may not sound either", async () => {
    const player = await playing();
    contexts[0]!.stalled = true;
    FakeContext.willing = false;
    await pass(10);
    expect(player.playing).toBe(false);
    expect(events.onInterrupted).toHaveBeenCalledOnce();
  });

  it("knows that the browser holds the sound back", async () => {
    FakeContext.willing = false;
    const player = new AudioPlayer(scope, events);
    player.load({ duration: 60 } as AudioBuffer);
    const audible = player.play();
    await pass(5);
    expect(await audible).toBe(false);
    expect(player.playing).toBe(false);
    FakeContext.willing = true;
    expect(await player.play()).toBe(true);
  });

  it("leaves no context and no timer behind", async () => {
    const player = await playing();
    player.pause();
    scope.dispose();
    expect(contexts[0]!.state).toBe("closed");
    expect(vi.getTimerCount()).toBe(0);
  });
});
