import { PlaybackClock, clamp, heardSeconds } from "./clock";
import type { Scope } from "./scope";

/** Fades at starts and stops, long enough that nothing clicks. */
const FADE_SECONDS = 0.008;
/** A context that has not begun to run after this time is being held back by the browser. */
const RESUME_PATIENCE_MS = 400;

export interface AudioPlayerEvents {
  /** The track has been heard to its end. */
  readonly onEnded: () => void;
}

interface Voice {
  readonly source: AudioBufferSourceNode;
  readonly envelope: GainNode;
}

/** Plays one decoded track and knows which moment of it is heard. */
export class AudioPlayer {
  readonly #scope: Scope;
  readonly #events: AudioPlayerEvents;
  readonly #clock: PlaybackClock;
  #context: AudioContext | null = null;
  #output: GainNode | null = null;
  #buffer: AudioBuffer | null = null;
  #voice: Voice | null = null;
  #loudness = 1;
  #delaySeconds = 0;
  /** Counts what was asked for: a pause while the device still wakes up makes an earlier play void. */
  #request = 0;

  constructor(scope: Scope, events: AudioPlayerEvents) {
    this.#scope = scope;
    this.#events = events;
    this.#clock = new PlaybackClock(() => this.#heardSeconds());
    scope.own(() => {
      this.#silence();
      void this.#context?.close();
    });
  }

  get playing(): boolean {
    return this.#clock.running;
  }

  get positionSeconds(): number {
    return this.#clock.position();
  }

  get durationSeconds(): number {
    return this.#clock.durationSeconds;
  }

  /** The rate at which the device plays: for decoding when no model asks for another. */
  get sampleRateHz(): number {
    this.warmUp();
    return this.#context?.sampleRate ?? 0;
  }

  /**
   * Open the audio device. Browsers want that to follow something that a person did, so the page calls
   * this when a track is chosen, not before.
   */
  warmUp(): void {
    if (this.#context) return;
    this.#context = new AudioContext({ latencyHint: "interactive" });
    this.#output = this.#context.createGain();
    this.#output.gain.value = this.#loudness;
    this.#output.connect(this.#context.destination);
  }

  load(buffer: AudioBuffer): void {
    this.#request++;
    this.#silence();
    this.#buffer = buffer;
    this.#clock.reset(buffer.duration);
  }

  /** @returns false when the browser holds the sound back until the person presses something */
  async play(): Promise<boolean> {
    if (!this.#buffer || this.playing) return true;
    const request = ++this.#request;
    this.warmUp();
    const audible = await this.#resume();
    if (audible && request === this.#request) this.#sound();
    return audible;
  }

  pause(): void {
    this.#request++;
    this.#clock.stop();
    this.#silence();
  }

  seek(seconds: number): void {
    const wasPlaying = this.playing;
    this.#silence();
    this.#clock.seek(seconds);
    if (wasPlaying) this.#sound();
  }

  /** @param volume 0 to 1, as on the slider; the ear's curve is applied here */
  setVolume(volume: number): void {
    this.#loudness = clamp(volume, 0, 1) ** 2;
    if (this.#context && this.#output) {
      this.#output.gain.setTargetAtTime(this.#loudness, this.#context.currentTime, FADE_SECONDS);
    }
  }

  /** @param seconds how much later the sound is heard than the browser knows: Bluetooth tells it too little */
  setDelay(seconds: number): void {
    this.#delaySeconds = seconds;
  }

  async #resume(): Promise<boolean> {
    const context = this.#context;
    if (!context) return false;
    if (context.state === "running") return true;
    // Where autoplay is blocked, the promise of `resume` stays open instead of failing.
    await Promise.race([
      context.resume().catch(() => undefined),
      new Promise<void>((resolve) => this.#scope.timeout(RESUME_PATIENCE_MS, resolve)),
    ]);
    return (context.state as AudioContextState) === "running";
  }

  #sound(): void {
    const context = this.#context;
    if (!context || !this.#output || !this.#buffer) return;
    const offset = this.#clock.position();
    const envelope = context.createGain();
    envelope.connect(this.#output);
    const source = context.createBufferSource();
    source.buffer = this.#buffer;
    source.connect(envelope);
    const voice: Voice = { source, envelope };
    const release = this.#scope.listen(source, "ended", () => {
      release();
      envelope.disconnect();
      // A voice that was silenced ends too, but by then it is no longer the current one.
      if (this.#voice !== voice) return;
      this.#voice = null;
      this.#clock.seek(this.#clock.durationSeconds);
      this.#events.onEnded();
    });
    const startAt = context.currentTime + FADE_SECONDS;
    envelope.gain.setValueAtTime(0, startAt);
    envelope.gain.linearRampToValueAtTime(1, startAt + FADE_SECONDS);
    source.start(startAt, offset);
    this.#voice = voice;
    this.#clock.start(startAt);
  }

  #silence(): void {
    const voice = this.#voice;
    const context = this.#context;
    if (!voice || !context) return;
    this.#voice = null;
    const now = context.currentTime;
    voice.envelope.gain.cancelScheduledValues(now);
    voice.envelope.gain.setTargetAtTime(0, now, FADE_SECONDS / 3);
    voice.source.stop(now + 2 * FADE_SECONDS);
  }

  #heardSeconds(): number {
    const context = this.#context;
    if (!context) return 0;
    const heard = heardSeconds({
      renderedSeconds: context.currentTime,
      // Firefox and Safari know only one of the two.
      latencySeconds: context.outputLatency || context.baseLatency || 0,
      timestamp: typeof context.getOutputTimestamp === "function" ? context.getOutputTimestamp() : null,
      nowMs: performance.now(),
    });
    return heard - this.#delaySeconds;
  }
}
