import { effect, untracked, type ReadonlySignal } from "@preact/signals";
import type { Scope } from "./scope";

/**
 * Media keys, headset buttons and the system's own player controls.
 *
 * Browsers give them to pages through `navigator.mediaSession`, but only to a page that plays a media element:
 * Chromium takes the audio focus for elements with an audible track of five seconds or more, Safari for those longer
 * than one second, and neither for an AudioContext (w3c/mediasession issue 213, crbug 944538). Our music comes from an
 * AudioContext, whose clock the picture keeps time by. Leading it through a MediaStreamDestination into an element would
 * bring the keys, but also a latency that no clock reports. So an element of our own plays ten seconds of silence in a
 * loop beside the music, and rests when it rests. It must be neither muted nor at volume 0, or it does not count.
 *
 * Firefox gives no keys to silent elements; there the page's own keys remain.
 */

export interface NowPlaying {
  readonly title: string;
  readonly artist: string | null;
  readonly durationSeconds: number;
}

export interface MediaKeyActions {
  play(): void;
  pause(): void;
  stop(): void;
  previous(): void;
  next(): void;
  seekTo(seconds: number): void;
  seekBy(seconds: number): void;
}

export interface MediaKeysOptions {
  readonly track: ReadonlySignal<NowPlaying | null>;
  readonly playing: ReadonlySignal<boolean>;
  readonly positionSeconds: ReadonlySignal<number>;
  /** Whether there is a track before and after: only then the system shows buttons for them. */
  readonly neighbours: ReadonlySignal<{ readonly previous: boolean; readonly next: boolean }>;
  readonly actions: MediaKeyActions;
}

/** What of the browser is used; tests hand in their own. */
export interface MediaKeysBrowser {
  readonly session: MediaSession | null;
  createMetadata(init: MediaMetadataInit): MediaMetadata;
  /** An element that plays silence in a loop. */
  createSilence(scope: Scope): HTMLAudioElement;
}

const ALBUM = "tfdeepviz";
const SEEK_SECONDS = 10;
/** The system lets its position run by itself: it is told only of jumps. */
const TOLERANCE_SECONDS = 1;

const SILENCE_SECONDS = 10;
const SILENCE_RATE_HZ = 8000;

export class MediaKeys {
  readonly #options: MediaKeysOptions;
  readonly #browser: MediaKeysBrowser;
  readonly #session: MediaSession;
  readonly #scope: Scope;
  #silence: HTMLAudioElement | null = null;
  /** What the system was told last, and when. */
  #told: { positionSeconds: number; atMs: number; playing: boolean } | null = null;

  /** Does nothing where the browser has no media session. */
  static attach(scope: Scope, options: MediaKeysOptions, browser = browserMediaKeys()): MediaKeys | null {
    return browser.session ? new MediaKeys(scope, options, browser, browser.session) : null;
  }

  private constructor(
    scope: Scope,
    options: MediaKeysOptions,
    browser: MediaKeysBrowser,
    session: MediaSession,
  ) {
    this.#scope = scope;
    this.#options = options;
    this.#browser = browser;
    this.#session = session;
    const { track, playing, positionSeconds, neighbours } = options;
    scope.own(() => this.#forget());
    scope.own(effect(() => this.#describe(track.value)));
    scope.own(effect(() => this.#offer(track.value !== null, neighbours.value)));
    scope.own(effect(() => this.#follow(track.value !== null, playing.value)));
    scope.own(effect(() => this.#tell(track.value, playing.value, positionSeconds.value)));
  }

  #describe(track: NowPlaying | null): void {
    this.#session.metadata = track
      ? this.#browser.createMetadata({ title: track.title, artist: track.artist ?? "", album: ALBUM })
      : null;
    this.#told = null;
  }

  #offer(loaded: boolean, { previous, next }: { readonly previous: boolean; readonly next: boolean }): void {
    const { actions } = this.#options;
    const offer = (action: MediaSessionAction, handler: MediaSessionActionHandler, offered = true) =>
      this.#handle(action, loaded && offered ? handler : null);
    offer("play", () => actions.play());
    offer("pause", () => actions.pause());
    offer("stop", () => actions.stop());
    offer("previoustrack", () => actions.previous(), previous);
    offer("nexttrack", () => actions.next(), next);
    offer("seekto", ({ seekTime }) => seekTime !== undefined && actions.seekTo(seekTime));
    offer("seekbackward", ({ seekOffset }) => actions.seekBy(-(seekOffset ?? SEEK_SECONDS)));
    offer("seekforward", ({ seekOffset }) => actions.seekBy(seekOffset ?? SEEK_SECONDS));
  }

  #handle(action: MediaSessionAction, handler: MediaSessionActionHandler | null): void {
    try {
      this.#session.setActionHandler(action, handler);
    } catch {
      // Browsers throw for actions that they do not know yet; the others work all the same.
    }
  }

  #follow(loaded: boolean, playing: boolean): void {
    this.#session.playbackState = loaded ? (playing ? "playing" : "paused") : "none";
    if (playing) {
      this.#silence ??= this.#startListening(this.#browser.createSilence(this.#scope));
      // Refused before the person has touched the page: then the music itself does not play either.
      this.#silence.play().catch(() => undefined);
    } else {
      this.#silence?.pause();
    }
  }

  /** The system pauses the element for a telephone call or another player, and may start it again: so does the music. */
  #startListening(silence: HTMLAudioElement): HTMLAudioElement {
    const { playing, actions } = this.#options;
    // Events come late: by then we may have asked for the opposite ourselves.
    this.#scope.listen(silence, "pause", () => {
      if (silence.paused && playing.peek()) actions.pause();
    });
    this.#scope.listen(silence, "play", () => {
      if (!silence.paused && !playing.peek()) actions.play();
    });
    return silence;
  }

  #tell(track: NowPlaying | null, playing: boolean, positionSeconds: number): void {
    if (!track || typeof this.#session.setPositionState !== "function") return;
    const nowMs = performance.now();
    const told = this.#told;
    if (told?.playing === playing) {
      const supposed = told.positionSeconds + (playing ? (nowMs - told.atMs) / 1000 : 0);
      if (Math.abs(supposed - positionSeconds) < TOLERANCE_SECONDS) return;
    }
    this.#told = { positionSeconds, atMs: nowMs, playing };
    const { durationSeconds: duration } = track;
    // Live sound has no length.
    if (!(duration > 0) || !Number.isFinite(duration)) this.#session.setPositionState();
    else
      this.#session.setPositionState({
        duration,
        position: Math.min(Math.max(0, positionSeconds), duration),
      });
  }

  #forget(): void {
    this.#silence?.pause();
    untracked(() => this.#offer(false, { previous: false, next: false }));
    this.#session.metadata = null;
    this.#session.playbackState = "none";
  }
}

export function browserMediaKeys(): MediaKeysBrowser {
  return {
    session: typeof navigator !== "undefined" && "mediaSession" in navigator ? navigator.mediaSession : null,
    createMetadata: (init) => new MediaMetadata(init),
    createSilence: (scope) => {
      const url = URL.createObjectURL(new Blob([silentWav()], { type: "audio/wav" }));
      const element = new Audio(url);
      element.loop = true;
      scope.own(() => {
        element.removeAttribute("src");
        element.load();
        URL.revokeObjectURL(url);
      });
      return element;
    },
  };
}

/** Ten seconds of silence: RIFF, PCM, mono, 8 bits a sample. */
export function silentWav(): Uint8Array<ArrayBuffer> {
  const headerBytes = 44;
  const nSamples = SILENCE_SECONDS * SILENCE_RATE_HZ;
  // Bytes of 8-bit PCM are unsigned: their middle is silence.
  const bytes = new Uint8Array(headerBytes + nSamples).fill(0x80);
  const view = new DataView(bytes.buffer);
  const text = (at: number, letters: string) => bytes.set(new TextEncoder().encode(letters), at);
  text(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, SILENCE_RATE_HZ, true);
  view.setUint32(28, SILENCE_RATE_HZ, true); // bytes a second
  view.setUint16(32, 1, true); // bytes of a sample of all channels
  view.setUint16(34, 8, true); // bits of a sample
  text(36, "data");
  view.setUint32(40, nSamples, true);
  return bytes;
}
