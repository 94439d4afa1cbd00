import { PlaybackClock, clamp, heardSeconds } from "./clock";
import { resume } from "./resume";
import type { Disposer, Scope } from "./scope";

/** Fades at starts and stops, long enough that nothing clicks. */
const FADE_SECONDS = 0.008;
/** After a pause of this length the audio device may sleep. */
const REST_AFTER_MS = 3000;
/** A context whose time has not moved at so many looks in a row has lost its device, whatever it says. */
const PULSE_MS = 1000;
const MISSED_PULSES = 3;

export interface AudioPlayerEvents {
  /** The track has been heard to its end. */
  readonly onEnded: () => void;
  /** The browser, the system or another page has taken the sound away: playback stands still. */
  readonly onInterrupted: () => void;
  /** A system that took the sound away (for a telephone call) gives it back. */
  readonly onRestored: () => void;
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
  /** Ends what was begun with the context. */
  #forget: Disposer = () => undefined;
  /** Falling asleep. */
  #resting: Promise<void> | null = null;
  #cancelRest: Disposer = () => undefined;
  #cancelPulse: Disposer = () => undefined;
  /** The system has taken the sound away, and nothing else was asked for since. */
  #interrupted = false;
  /** Counts what was asked for: a pause while the device still wakes up makes an earlier play void. */
  #request = 0;

  constructor(scope: Scope, events: AudioPlayerEvents) {
    this.#scope = scope;
    this.#events = events;
    this.#clock = new PlaybackClock(() => this.#heardSeconds());
    scope.own(() => {
      this.#silence();
      this.#dropContext();
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
    if (this.#context?.state === "closed") this.#dropContext();
    if (this.#context) return;
    const context = new AudioContext({ latencyHint: "interactive" });
    this.#context = context;
    this.#output = context.createGain();
    this.#output.gain.value = this.#loudness;
    this.#output.connect(context.destination);
    this.#forget = this.#scope.listen(context, "statechange", () => this.#follow(context.state));
  }

  load(buffer: AudioBuffer): void {
    this.pause();
    this.#buffer = buffer;
    this.#clock.reset(buffer.duration);
  }

  /** @returns false when the browser holds the sound back until the person presses something */
  async play(): Promise<boolean> {
    if (!this.#buffer || this.playing) return true;
    const request = ++this.#request;
    this.#interrupted = false;
    this.#cancelRest();
    this.warmUp();
    await this.#resting;
    const audible = this.#context !== null && (await resume(this.#context));
    if (audible && request === this.#request) this.#sound();
    return audible;
  }

  pause(): void {
    this.#request++;
    this.#interrupted = false;
    this.#clock.stop();
    this.#silence();
    this.#restLater();
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

  /** What the context does by itself or is made to do by others. */
  #follow(state: AudioContextState): void {
    if (state === "running") {
      if (this.#interrupted) this.#events.onRestored();
      else if (!this.playing) this.#restLater();
      return;
    }
    const wasPlaying = this.playing;
    this.#clock.stop();
    this.#silence();
    if (state === "closed") this.#dropContext();
    if (!wasPlaying) return;
    this.#request++;
    this.#events.onInterrupted();
    this.#interrupted = state === "interrupted";
  }

  /** The next play makes a new one. */
  #dropContext(): void {
    const context = this.#context;
    this.#cancelRest();
    this.#cancelPulse();
    this.#forget();
    this.#context = null;
    this.#output = null;
    if (context && context.state !== "closed") void context.close();
  }

  #restLater(): void {
    this.#cancelRest();
    this.#cancelRest = this.#scope.timeout(REST_AFTER_MS, () => {
      if (this.playing || this.#context?.state !== "running") return;
      const resting = this.#context.suspend().catch(() => undefined);
      this.#resting = resting;
      void resting.then(() => {
        if (this.#resting === resting) this.#resting = null;
      });
    });
  }

  /** Look whether the context's time moves: where its device is gone, some browsers go on to call it running. */
  #watchPulse(lastSeconds: number, missed: number): void {
    this.#cancelPulse = this.#scope.timeout(PULSE_MS, () => {
      const { currentTime } = this.#context ?? {};
      if (!this.playing || currentTime === undefined) return;
      if (currentTime > lastSeconds) this.#watchPulse(currentTime, 0);
      else if (missed + 1 < MISSED_PULSES) this.#watchPulse(currentTime, missed + 1);
      else void this.#revive();
    });
  }

  /** Go on in a new context. */
  async #revive(): Promise<void> {
    this.#clock.stop();
    this.#silence();
    this.#dropContext();
    const audible = await this.play();
    if (!audible) this.#events.onInterrupted();
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
    this.#cancelRest();
    this.#cancelPulse();
    this.#watchPulse(context.currentTime, 0);
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
