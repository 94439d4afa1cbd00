import { batch, signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  MediaKeys,
  browserMediaKeys,
  silentWav,
  type MediaKeyActions,
  type MediaKeysBrowser,
  type NowPlaying,
} from "./media-session";
import { Scope } from "./scope";

class FakeSession {
  metadata: MediaMetadataInit | null = null;
  playbackState = "none";
  readonly handlers = new Map<string, MediaSessionActionHandler>();
  readonly setPositionState = vi.fn();

  setActionHandler(action: string, handler: MediaSessionActionHandler | null): void {
    if (action === "stop") throw new TypeError("not known here");
    if (handler) this.handlers.set(action, handler);
    else this.handlers.delete(action);
  }
}

class FakeSilence extends EventTarget {
  paused = true;

  play(): Promise<void> {
    this.paused = false;
    return Promise.reject(new DOMException("touch the page first", "NotAllowedError"));
  }

  pause(): void {
    this.paused = true;
  }
}

function setUp() {
  const scope = new Scope();
  const session = new FakeSession();
  const silence = new FakeSilence();
  const actions = {
    play: vi.fn(),
    pause: vi.fn(),
    stop: vi.fn(),
    previous: vi.fn(),
    next: vi.fn(),
    seekTo: vi.fn(),
    seekBy: vi.fn(),
  } satisfies MediaKeyActions;
  const track = signal<NowPlaying | null>(null);
  const playing = signal(false);
  const positionSeconds = signal(0);
  const neighbours = signal({ previous: false, next: false });
  const createSilence = vi.fn(() => silence as unknown as HTMLAudioElement);
  const browser: MediaKeysBrowser = {
    session: session as unknown as MediaSession,
    createMetadata: (init) => init as MediaMetadata,
    createSilence,
  };
  MediaKeys.attach(scope, { track, playing, positionSeconds, neighbours, actions }, browser);
  return { scope, session, silence, actions, track, playing, positionSeconds, neighbours, createSilence };
}

const song: NowPlaying = { title: "Air", artist: "Bach", durationSeconds: 100 };

beforeEach(() => vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => vi.useRealTimers());

describe("MediaKeys", () => {
  it("says what plays", () => {
    const { session, track, playing } = setUp();
    expect([session.metadata, session.playbackState]).toEqual([null, "none"]);
    track.value = song;
    expect(session.metadata).toEqual({ title: "Air", artist: "Bach", album: "tfdeepviz" });
    expect(session.playbackState).toBe("paused");
    playing.value = true;
    expect(session.playbackState).toBe("playing");
    track.value = { ...song, artist: null };
    expect(session.metadata).toMatchObject({ artist: "" });
  });

  it("hands keys on, as far as there is something for them to do", () => {
    const { session, actions, track, neighbours } = setUp();
    expect(session.handlers.size).toBe(0);
    track.value = song;
    expect([...session.handlers.keys()].sort()).toEqual(
      ["pause", "play", "seekbackward", "seekforward", "seekto"].sort(),
    );
    neighbours.value = { previous: false, next: true };
    expect(session.handlers.has("previoustrack")).toBe(false);
    const press = (action: MediaSessionAction, details: Partial<MediaSessionActionDetails> = {}) =>
      session.handlers.get(action)?.({ action, ...details });
    press("nexttrack");
    press("play");
    press("pause");
    press("seekto", { seekTime: 12 });
    press("seekto");
    press("seekbackward");
    press("seekforward", { seekOffset: 30 });
    for (const action of [actions.next, actions.play, actions.pause]) expect(action).toHaveBeenCalledOnce();
    expect(actions.seekTo.mock.calls).toEqual([[12]]);
    expect(actions.seekBy.mock.calls).toEqual([[-10], [30]]);
    track.value = null;
    expect(session.handlers.size).toBe(0);
  });

  it("plays silence beside the music, made when it is needed first", () => {
    const { silence, track, playing, createSilence } = setUp();
    track.value = song;
    expect(createSilence).not.toHaveBeenCalled();
    playing.value = true;
    expect(silence.paused).toBe(false);
    playing.value = false;
    expect(silence.paused).toBe(true);
    playing.value = true;
    expect(createSilence).toHaveBeenCalledOnce();
  });

  it("pauses with the element when the system does so, and goes on with it", () => {
    const { silence, actions, track, playing } = setUp();
    batch(() => {
      track.value = song;
      playing.value = true;
    });
    const report = (type: "play" | "pause", paused = type === "pause") => {
      silence.paused = paused;
      silence.dispatchEvent(new Event(type));
    };
    report("play");
    // Late news of a pause of our own that is over.
    report("pause", false);
    expect([actions.play.mock.calls.length, actions.pause.mock.calls.length]).toEqual([0, 0]);
    report("pause");
    expect(actions.pause).toHaveBeenCalledOnce();
    playing.value = false;
    report("pause");
    expect(actions.pause).toHaveBeenCalledOnce();
    report("play");
    expect(actions.play).toHaveBeenCalledOnce();
  });

  it("tells the position when it jumps, not while it runs", () => {
    const { session, track, playing, positionSeconds } = setUp();
    const { setPositionState } = session;
    batch(() => {
      track.value = song;
      playing.value = true;
    });
    setPositionState.mockClear();
    for (let step = 1; step <= 50; step++) {
      vi.advanceTimersByTime(100);
      positionSeconds.value = step / 10;
    }
    expect(setPositionState).not.toHaveBeenCalled();
    positionSeconds.value = 60;
    expect(setPositionState.mock.calls).toEqual([[{ duration: 100, position: 60 }]]);
    playing.value = false;
    positionSeconds.value = 100.5;
    expect(setPositionState).toHaveBeenLastCalledWith({ duration: 100, position: 100 });
    track.value = { ...song, durationSeconds: Infinity };
    expect(setPositionState.mock.lastCall).toEqual([]);
  });

  it("leaves nothing behind", () => {
    const { scope, session, silence, track, playing } = setUp();
    batch(() => {
      track.value = song;
      playing.value = true;
    });
    scope.dispose();
    expect(silence.paused).toBe(true);
    expect([session.metadata, session.playbackState, session.handlers.size]).toEqual([null, "none", 0]);
    track.value = { ...song, title: "Later" };
    expect(session.metadata).toBeNull();
  });

  it("does nothing where there is no media session", () => {
    expect(browserMediaKeys().session).toBeNull();
    const options = {
      track: signal(song),
      playing: signal(true),
      positionSeconds: signal(0),
      neighbours: signal({ previous: true, next: true }),
      actions: {} as MediaKeyActions,
    };
    expect(MediaKeys.attach(new Scope(), options)).toBeNull();
  });
});

it("silence is a WAV file of ten seconds", () => {
  const wav = silentWav();
  const view = new DataView(wav.buffer);
  const ascii = new TextDecoder("ascii");
  expect(ascii.decode(wav.subarray(0, 4)) + ascii.decode(wav.subarray(8, 16))).toBe("RIFFWAVEfmt ");
  expect(view.getUint32(4, true)).toBe(wav.length - 8);
  expect(view.getUint32(40, true) / view.getUint32(28, true)).toBe(10);
  expect(wav.subarray(44).every((byte) => byte === 0x80)).toBe(true);
});
