import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import type { DecodedTrack } from "../analysis/decode";
import type { Pcm } from "../analysis/pcm";
import { minTrackSeconds } from "../analysis/onsets";
import type { Impression } from "../mapping/impression";
import type { Section } from "../mapping/sections";
import type { LiveInputKind } from "../live/live-input-error";
import type { LiveOptions, LiveSession } from "../live/live-session";
import { mustWait } from "../player/buffering";
import { clamp } from "../player/clock";
import { formatPercent } from "../player/format";
import { FrameLoop, Scope } from "../player/scope";
import { MAX_COLUMNS, measureWaveform, type Waveform } from "../player/waveform";
import type { VideoSubject } from "../recording/video";
import { createPicture } from "../visuals/picture";
import type { Visual, VisualDefinition, VisualFrame } from "../visuals/visual";
import { audioAmong, speakAdded } from "./audio-files";
import { Choices } from "./choices";
import type { Analyst, Services } from "./engine";
import { idleFrame } from "./idle-frame";
import { Listening } from "./listening";
import type { Look } from "./look";
import { Models } from "./models";
import { MusicFrames } from "./music-frames";
import { Notices, type NoticeKind } from "./notices";
import { explainFailures, Playlist, type Failure, type PlaylistEntry } from "./playlist";
import type { Settings } from "./settings";
import { fileSource, type DemoTrack, type TrackSource } from "./sources";
import { phaseOf, type Phase, type TrackInfo } from "./state";
import { explainLive, explainTrack } from "./words";

/** Slow breathing looks no better with more frames than this gives. */
const IDLE_FRAME_MS = 30;
/** The clock on the page moves in steps of this; the picture does not. */
const SHOWN_STEP_SECONDS = 0.1;
/** Where playback rests at a track's end, a press on play begins anew. */
const END_MARGIN_SECONDS = 0.05;
/** After so many tracks in a row that cannot be played, the playlist stops. */
const MAX_FAILURES = 3;

export interface PlaygroundOptions {
  readonly services: Services;
  readonly settings: Settings;
  readonly visuals: readonly VisualDefinition[];
}

/** Whether sound is at the rate that a model takes. */
function takes({ bundle }: Analyst, { sampleRateHz }: Pcm): boolean {
  return bundle.audio.sampleRateHz === sampleRateHz;
}

type FrameListener = (frame: VisualFrame) => void;

/**
 * The page without its looks: what is loaded, what plays, what the picture is to show.
 *
 * Components read its signals and call its methods; it knows nothing of the document.
 */
export class Playground {
  readonly scope = new Scope();
  readonly settings: Settings;
  readonly notices = new Notices();
  readonly models: Models;
  readonly choices: Choices;
  readonly playlist = new Playlist();

  readonly #services: Services;
  readonly #loop: FrameLoop;
  readonly #frameListeners = new Set<FrameListener>();

  readonly #track = signal<TrackInfo | null>(null);
  readonly #opening = signal<string | null>(null);
  readonly #failed = signal(false);
  readonly #playing = signal(false);
  readonly #waiting = signal(false);
  readonly #started = signal(false);
  readonly #positionSeconds = signal(0);
  readonly #readyUntilSeconds = signal(0);
  readonly #analysed = signal(0);
  readonly #noteOpen = signal(false);
  readonly #demoTracks = signal<readonly DemoTrack[]>([]);
  readonly #live = signal<LiveSession | null>(null);
  readonly #waveform = signal<Waveform | null>(null);
  readonly #sections = signal<readonly Section[] | null>(null);
  readonly #trackImpression = signal<Listening["impression"]>(null);

  /** What another model needs to listen to the same track. */
  #opened: {
    readonly source: TrackSource;
    readonly audio: AudioBuffer;
    /** At the rate of the model that listened last. */
    pcm: Pcm;
  } | null = null;
  /** Ends with the track: what is measured of it in the background, and decoded of it again. */
  #trackScope = new Scope();
  #trackAbort = new AbortController();
  /**
   * The newest wish for something to hear: a track on its way, or live sound from the question for permission on. The
   * next wish aborts it, and whatever arrives for it afterwards is let go.
   */
  #wish: { readonly kind: "track" | "live"; readonly abort: AbortController } | null = null;
  /** What the note on flashing light has held up. */
  #afterNote: () => Promise<void> = () => this.play();
  #listening: Listening | null = null;
  /** A newly chosen model that has not reached the playhead yet. */
  #successor: Listening | null = null;

  /** Where the open track stands in the playlist. */
  #entry: PlaylistEntry | null = null;
  /** The notice that says why nothing sounds, until something does. */
  #silenceNotice: number | null = null;

  readonly #frames = new MusicFrames();
  #frame: VisualFrame | null = null;
  /** The picture shows the track, not its rest. */
  #heard = false;
  #idleSeconds = 0;
  /** The last frame was one of the slow ones without music. */
  #breathing = false;
  #lastFrameMs: number | null = null;

  constructor({ services, settings, visuals }: PlaygroundOptions) {
    this.#services = services;
    this.settings = settings;
    this.models = new Models(this.scope, {
      services,
      notices: this.notices,
      prepare: (analyst, signal) => this.#prepare(analyst, signal),
    });
    this.choices = new Choices({ settings, visuals, analyst: this.models.analyst });
    this.#loop = new FrameLoop(this.scope, (nowMs) => this.#draw(nowMs));
    this.scope.own(effect(() => services.player.setVolume(settings.muted.value ? 0 : settings.volume.value)));
    this.scope.own(effect(() => services.player.setDelay(settings.outputDelaySeconds.value)));
    this.scope.own(this.choices.look.subscribe(() => this.#applyChoices()));
    this.scope.own(() => {
      this.#wish?.abort.abort();
      this.#live.peek()?.dispose();
      this.#trackScope.dispose();
      this.#trackAbort.abort();
    });
  }

  // ------------------------------------------------------------------------------------------------ what it shows

  readonly phase: ReadonlySignal<Phase> = computed(() =>
    phaseOf({
      hasTrack: this.#track.value !== null,
      opening: this.#opening.value !== null,
      failed: this.#failed.value,
      playing: this.#playing.value,
      waiting: this.#waiting.value,
      started: this.#started.value,
      live: this.#live.value !== null,
    }),
  );

  /** What the model takes the music for; null where it tells neither genres nor tags. */
  readonly impression: ReadonlySignal<Impression | null> = computed(() => {
    const live = this.#live.value;
    return live ? live.impression.value : this.#trackImpression.value;
  });

  /** What goes on while the person waits, in words; null when nothing does. */
  readonly progress: ReadonlySignal<string | null> = computed(() => {
    const engine = this.models.state.value;
    const opening = this.#opening.value;
    if (engine.kind === "starting" && (opening !== null || this.#track.value !== null)) {
      return `Preparing the model, ${formatPercent(engine.fraction)}`;
    }
    if (opening !== null) return `Reading “${opening}”`;
    if (this.#playing.value && this.#waiting.value) return "Waiting for the analysis";
    if (this.#track.value && this.#analysed.value < 1 && engine.kind === "ready") {
      return `Analysing, ${formatPercent(this.#analysed.value)}`;
    }
    return null;
  });

  get track(): ReadonlySignal<TrackInfo | null> {
    return this.#track;
  }

  get opening(): ReadonlySignal<string | null> {
    return this.#opening;
  }

  /** The person wants music, even if it has to wait for a moment. */
  get playing(): ReadonlySignal<boolean> {
    return this.#playing;
  }

  get waiting(): ReadonlySignal<boolean> {
    return this.#waiting;
  }

  get positionSeconds(): ReadonlySignal<number> {
    return this.#positionSeconds;
  }

  /** The track is analysed from the position up to here. */
  get readyUntilSeconds(): ReadonlySignal<number> {
    return this.#readyUntilSeconds;
  }

  /** What is listened to instead of a track; null while none is. */
  get live(): ReadonlySignal<LiveSession | null> {
    return this.#live;
  }

  get noteOpen(): ReadonlySignal<boolean> {
    return this.#noteOpen;
  }

  get demoTracks(): ReadonlySignal<readonly DemoTrack[]> {
    return this.#demoTracks;
  }

  /** The open track's sound; null without one. */
  get audio(): AudioBuffer | null {
    return this.#opened?.audio ?? null;
  }

  /** Null while it is measured. */
  get waveform(): ReadonlySignal<Waveform | null> {
    return this.#waveform;
  }

  /** How the track is built; null while it is not known. */
  get sections(): ReadonlySignal<readonly Section[] | null> {
    return this.#sections;
  }

  /** Be called with every frame. The frame's arrays are used again: copy what is to last. */
  onFrame(listener: FrameListener): () => void {
    this.#frameListeners.add(listener);
    this.#loop.wake();
    return this.scope.own(() => this.#frameListeners.delete(listener));
  }

  /** Draw at once, for windows that show the picture while the browser gives this page no frames. */
  draw(): void {
    this.#draw(performance.now());
  }

  /** Draw once more: something about the picture has changed. */
  redraw(): void {
    this.#loop.wake();
  }

  // --------------------------------------------------------------------------------------------------------- looks

  /** Fetch what the server offers, and start the model of that name or the first one. */
  async start(model: string | null = null): Promise<void> {
    void this.#loadDemoTracks();
    await this.models.start(model);
  }

  /** Everything chosen that shapes the picture. */
  readonly look: ReadonlySignal<Look> = computed(() => ({
    ...this.choices.look.value,
    model: this.models.ownName.value,
  }));

  applyLook(look: Look): void {
    this.choices.apply(look);
    void this.models.choose(look.model);
  }

  // -------------------------------------------------------------------------------------------------- the picture

  /**
   * How to make the picture that is chosen now.
   *
   * @returns throws WebGlUnavailableError where the browser gives no WebGL 2 context
   */
  pictureMaker(): (canvas: HTMLCanvasElement, now: () => number) => Visual {
    const { visual, seed } = this.choices;
    const [definition, options] = [visual.value, { seed: seed.value, calm: this.settings.calm.value }];
    return (canvas, now) => createPicture(definition, { canvas, ...options }, now);
  }

  /** What the picture showed last. */
  get frame(): VisualFrame {
    return this.#frame ?? idleFrame(this.choices.visual.peek(), this.#idleSeconds);
  }

  /** Why the track cannot be recorded yet; null when it can. */
  readonly recordingObstacle: ReadonlySignal<string | null> = computed(() => {
    if (!this.#track.value) return "Open a track first.";
    if (!this.models.analyst.value) return "There is no model, so nothing would move.";
    if (this.#analysed.value === 1) return null;
    return `Still analysing the track: ${formatPercent(this.#analysed.value)}.`;
  });

  /** The track and its picture as they are now, whatever is chosen while they are recorded. */
  recordingSubject(): VideoSubject {
    const listening = this.#successor ?? this.#listening;
    if (!this.#opened || !listening) throw new Error("There is nothing to record.");
    const { source, audio } = this.#opened;
    const [parameters, wires, frames] = [listening.parameters.copy(), listening.wires, new MusicFrames()];
    return {
      create: this.pictureMaker(),
      frameAt: (seconds) => frames.hear(parameters, wires, seconds),
      audio,
      title: source.title,
      artist: source.artist,
    };
  }

  // ----------------------------------------------------------------------------------------------------- playback

  /** Show what the microphone or another tab gives, until `stopLive`. To be called right after a press on something. */
  async listenLive(kind: LiveInputKind): Promise<void> {
    const analyst = this.models.analyst.peek();
    if (!analyst) {
      this.notices.show("info", "The model is not ready yet. Try again in a moment.");
      return;
    }
    if (!this.settings.noteAccepted.value) {
      this.#afterNote = () => this.listenLive(kind);
      this.#noteOpen.value = true;
      return;
    }
    this.pause();
    const wish = this.#wishFor("live");
    const end = (kind: NoticeKind, words: string) => {
      if (wish.signal.aborted) return;
      this.stopLive();
      this.notices.show(kind, words);
    };
    try {
      const options: LiveOptions = {
        analyst,
        choices: this.#liveChoices(analyst),
        onEnd: () => end("info", kind === "tab" ? "Audio sharing ended." : "The microphone has stopped."),
        onError: (error) => {
          if (wish.signal.aborted) return;
          // The session may listen with another model by now.
          const current = this.models.analyst.peek();
          if (current) this.models.lose(current, error);
          this.stopLive();
        },
      };
      const session = await this.#services.startLive(kind, options, wish.signal);
      if (wish.signal.aborted) {
        session.dispose();
        return;
      }
      const now = this.models.analyst.peek();
      if (now && now !== analyst) session.use(now, this.#liveChoices(now));
      // The model has no time for the rest of the track now.
      if (this.#analysed.value < 1) this.#abandon();
      this.#heard = false;
      this.#live.value = session;
      this.#loop.wake();
    } catch (error) {
      end("error", explainLive(error));
    }
  }

  /** Let go of the microphone or the tab, or of the question for it. */
  stopLive(): void {
    if (this.#wish?.kind !== "live") return;
    this.#wish.abort.abort();
    this.#endLive();
  }

  /** Put tracks on the playlist and play the first of them that can be played. */
  async openAll(sources: readonly TrackSource[]): Promise<void> {
    const [first] = this.playlist.add(sources);
    if (first) await this.openEntry(first);
  }

  /** Put those that are music on the playlist and play the first of them that can be played. */
  async openFiles(files: readonly File[]): Promise<void> {
    // A single file is wanted, whatever it is called: what is wrong with it is worth saying.
    const single = files.length === 1;
    const found = single ? { audio: files, others: [] } : audioAmong(files);
    const opening = this.openAll(found.audio.map(fileSource));
    // Opening has taken away what was said before.
    if (!single) this.notices.show("info", speakAdded(found));
    await opening;
  }

  async openEntry(entry: PlaylistEntry): Promise<void> {
    await this.#openFrom(entry, 1);
  }

  /** Play the track so many places further on in the playlist, if there is one. */
  async step(by: number): Promise<void> {
    const entry = this.playlist.step(by);
    if (entry) await this.#openFrom(entry, Math.sign(by));
  }

  /** Open a track and play it. What plays now goes on until the new one is decoded. */
  async open(source: TrackSource): Promise<void> {
    this.notices.clear();
    try {
      await this.#open(source, null);
    } catch (error) {
      this.notices.show("error", explainTrack(error, source.title));
      this.#endOpening();
    }
  }

  async play(): Promise<void> {
    if (!this.#track.value) return;
    if (!this.settings.noteAccepted.value) {
      this.#afterNote = () => this.play();
      this.#noteOpen.value = true;
      return;
    }
    this.stopLive();
    const { player } = this.#services;
    if (player.positionSeconds >= player.durationSeconds - END_MARGIN_SECONDS) this.seek(0);
    this.#playing.value = true;
    if (this.#silenceNotice !== null) this.notices.dismiss(this.#silenceNotice);
    await this.#advance();
  }

  pause(): void {
    batch(() => {
      this.#playing.value = false;
      this.#waiting.value = false;
    });
    this.#services.player.pause();
    this.#showPosition();
    this.#loop.wake();
  }

  async togglePlay(): Promise<void> {
    if (this.#live.peek()) this.stopLive();
    else if (this.#playing.value) this.pause();
    else await this.play();
  }

  stop(): void {
    this.pause();
    this.seek(0);
  }

  seek(seconds: number): void {
    const { player } = this.#services;
    if (!this.#track.value) return;
    player.seek(clamp(seconds, 0, player.durationSeconds));
    this.#showPosition();
    this.#listening?.focus(player.positionSeconds);
    this.#successor?.focus(player.positionSeconds);
    if (this.#playing.value) void this.#advance();
    this.#loop.wake();
  }

  seekBy(seconds: number): void {
    this.seek(this.#services.player.positionSeconds + seconds);
  }

  changeVolume(amount: number): void {
    const { volume, muted } = this.settings;
    batch(() => {
      volume.value = clamp(Math.round((volume.value + amount) * 100) / 100, 0, 1);
      if (amount > 0) muted.value = false;
    });
  }

  async acceptNote(): Promise<void> {
    batch(() => {
      this.settings.noteAccepted.value = true;
      this.#noteOpen.value = false;
    });
    await this.#afterNote();
  }

  declineNote(): void {
    this.#noteOpen.value = false;
  }

  dispose(): void {
    this.scope.dispose();
  }

  // -------------------------------------------------------------------------------------------------------- inside

  async #loadDemoTracks(): Promise<void> {
    try {
      this.#demoTracks.value = await this.#services.fetchDemoTracks();
    } catch {
      // Without its demo tracks the page still plays files, and the welcome says nothing of them.
      this.#demoTracks.value = [];
    }
  }

  /** Open an entry, or the first after it in that direction that can be played; a few bad ones in a row are enough. */
  async #openFrom(entry: PlaylistEntry, by: number): Promise<void> {
    this.notices.clear();
    const failures: Failure[] = [];
    let told: number | null = null;
    let next: PlaylistEntry | null = entry;
    while (next) {
      this.playlist.select(next.id);
      try {
        await this.#open(next.source, next);
        return;
      } catch (error) {
        failures.push({ title: next.source.title, error });
      }
      const { neighbours, entries } = this.playlist;
      const more = neighbours.peek()[by > 0 ? "next" : "previous"];
      const enough = failures.length === MAX_FAILURES;
      const label = by > 0 ? "Next track" : "Previous track";
      if (told !== null) this.notices.dismiss(told);
      told = this.notices.show(
        "error",
        explainFailures(failures),
        enough && more ? { label, run: () => void this.step(by) } : null,
      );
      next = enough ? null : this.playlist.step(by);
      // What plays goes on, and at the end of the list so does the list from there.
      if (!more && this.#entry && entries.peek().includes(this.#entry)) this.playlist.select(this.#entry.id);
    }
    this.#endOpening();
  }

  #endOpening(): void {
    batch(() => {
      this.#opening.value = null;
      this.#failed.value = true;
    });
  }

  /**
   * Open a track and play it, unless something else is wanted by then.
   *
   * @throws whatever speaks against playing it
   */
  async #open(source: TrackSource, entry: PlaylistEntry | null): Promise<void> {
    const { signal } = this.#wishFor("track");
    batch(() => {
      this.#opening.value = source.title;
      this.#failed.value = false;
    });
    this.#services.player.warmUp();
    try {
      const [data, analyst] = await Promise.all([source.read(signal), this.models.settled()]);
      signal.throwIfAborted();
      const sampleRateHz = analyst?.bundle.audio.sampleRateHz ?? this.#services.player.sampleRateHz;
      const minSeconds = analyst ? minTrackSeconds(analyst.bundle) : 0;
      const decoded = await this.#services.decode(data, { sampleRateHz, minSeconds, signal });
      signal.throwIfAborted();
      this.#insert(source, decoded);
      this.#entry = entry;
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    await this.play();
  }

  #insert(source: TrackSource, { audio, pcm, durationSeconds }: DecodedTrack): void {
    const { player } = this.#services;
    const { title, artist } = source;
    player.load(audio);
    this.#abandon();
    this.#opened = { source, audio, pcm };
    this.#heard = false;
    this.#trackScope.dispose();
    this.#trackScope = new Scope();
    this.#trackAbort.abort();
    this.#trackAbort = new AbortController();
    batch(() => {
      this.#track.value = { title, artist, durationSeconds };
      this.#opening.value = null;
      this.#playing.value = false;
      this.#waiting.value = false;
      this.#started.value = false;
      this.#analysed.value = 0;
      this.#positionSeconds.value = 0;
      this.#waveform.value = null;
      this.#sections.value = null;
    });
    const analyst = this.models.analyst.peek();
    // A model of another rate may have taken over while the track was decoded.
    if (analyst && takes(analyst, pcm)) this.#lead(this.#listen(analyst, pcm));
    else void this.#listenAgain();
    void this.#measure(pcm.samples);
    this.#showPosition();
    this.#loop.wake();
  }

  /** A track that is open is analysed anew by a model that takes over, from the playhead on. */
  async #prepare(analyst: Analyst, signal: AbortSignal): Promise<() => void> {
    const opened = this.#opened;
    const pcm = await this.#pcmFor(analyst, signal);
    return () => {
      this.#dropSuccessor();
      const isSame = this.#opened === opened;
      if (isSame && opened && pcm) opened.pcm = pcm;
      const live = this.#live.peek();
      if (live) {
        live.use(analyst, this.#liveChoices(analyst));
        this.#lead(null);
        return;
      }
      if (!this.#opened) return;
      if (!pcm || !isSame) {
        // Another track was opened meanwhile.
        this.#abandon();
        void this.#listenAgain();
        return;
      }
      // The old model's parameters carry the picture until the new one has caught up with the playhead.
      this.#listening?.stop();
      const successor = this.#listen(analyst, pcm);
      if (successor && this.#listening) this.#successor = successor;
      else this.#lead(successor);
      successor?.focus(this.#services.player.positionSeconds);
    };
  }

  /** The open track at the rate of that model; null when no track is open. */
  async #pcmFor(analyst: Analyst, signal: AbortSignal): Promise<Pcm | null> {
    const opened = this.#opened;
    if (!opened || takes(analyst, opened.pcm)) return opened?.pcm ?? null;
    const { sampleRateHz } = analyst.bundle.audio;
    return (await this.#services.decode(await opened.source.read(signal), { sampleRateHz, signal })).pcm;
  }

  #listen(analyst: Analyst, pcm: Pcm): Listening | null {
    this.#analysed.value = 0;
    try {
      return new Listening(analyst, pcm, this.choices, {
        onGrow: () => this.#grow(),
        onProgress: (fraction) => {
          this.#analysed.value = fraction;
        },
        onDone: (listening) => {
          this.#sections.value = listening.sections();
        },
        onFail: (error) => {
          this.#abandon();
          this.models.lose(analyst, error);
          if (this.#playing.value) void this.#advance();
        },
      });
    } catch (error) {
      this.notices.show("error", explainTrack(error, this.#opened?.source.title ?? "The track"));
      return null;
    }
  }

  async #measure(pcm: Float32Array): Promise<void> {
    const scope = this.#trackScope;
    const { signal } = this.#trackAbort;
    const pause = () => new Promise<void>((resolve) => scope.timeout(0, resolve));
    const waveform = await measureWaveform(pcm, MAX_COLUMNS, { pause, signal });
    if (!signal.aborted) this.#waveform.value = waveform;
  }

  #grow(): void {
    const { positionSeconds } = this.#services.player;
    if (this.#successor?.parameters.isReady(positionSeconds)) {
      this.#lead(this.#successor);
      this.#successor = null;
    }
    this.#showPosition();
    if (this.#playing.value && this.#waiting.value) void this.#advance();
    this.#loop.wake();
  }

  /** Make the player do what is wanted and possible: play, or wait for the analysis. */
  async #advance(): Promise<void> {
    const { player } = this.#services;
    if (!this.#playing.value) return;
    this.#waiting.value = this.#mustWait();
    if (this.#waiting.value) {
      player.pause();
      return;
    }
    const audible = await player.play();
    if (!this.#playing.peek()) return;
    if (!audible) {
      this.#playing.value = false;
      this.#askForPlay("Your browser blocked autoplay. Press Play.");
      return;
    }
    this.#started.value = true;
    this.#loop.wake();
  }

  #mustWait(): boolean {
    const { player } = this.#services;
    const listening = this.#listening;
    // Without an analysis there is nothing to wait for, unless one is about to begin.
    if (!listening) return false;
    const position = player.positionSeconds;
    const stopped = this.#waiting.value || !player.playing;
    return mustWait(stopped, position, listening.parameters.readyUntil(position), player.durationSeconds);
  }

  #askForPlay(why: string): void {
    this.#silenceNotice = this.notices.show("info", why, { label: "Play", run: () => void this.play() });
  }

  /** The sound was taken away while it played. */
  interrupted(): void {
    this.pause();
    this.#askForPlay("The sound was interrupted. Press Play to continue.");
  }

  /** What took the sound away gives it back. */
  restored(): void {
    void this.play();
  }

  /** The track has been heard to its end. */
  ended(): void {
    this.pause();
    void this.step(1);
  }

  /** Let the picture follow this. */
  #lead(listening: Listening | null): void {
    this.#listening = listening;
    this.#trackImpression.value = listening?.impression ?? null;
  }

  #dropSuccessor(): void {
    this.#successor?.stop();
    this.#successor = null;
  }

  #applyChoices(): void {
    this.#listening?.follow(this.choices);
    this.#successor?.follow(this.choices);
    const analyst = this.models.analyst.peek();
    if (analyst) this.#live.peek()?.choose(this.#liveChoices(analyst));
    this.#loop.wake();
  }

  #liveChoices(analyst: Analyst): LiveOptions["choices"] {
    return {
      mapping: this.choices.mappingFor(analyst),
      time: this.choices.timeFor(analyst),
      order: this.choices.wiresFor(analyst).map(({ source }) => source),
    };
  }

  /** Let go of what was wished for before. */
  #wishFor(kind: "track" | "live"): AbortController {
    this.#wish?.abort.abort();
    const abort = new AbortController();
    this.#wish = { kind, abort };
    this.#opening.value = null;
    this.#endLive();
    return abort;
  }

  /** Back to the track that was open before, if there was one. */
  #endLive(): void {
    const live = this.#live.peek();
    if (!live) return;
    live.dispose();
    this.#live.value = null;
    this.#heard = false;
    if (!this.#listening) void this.#listenAgain();
    this.#loop.wake();
  }

  /** Let the model listen to the open track, which may have to be decoded again for it. */
  async #listenAgain(): Promise<void> {
    const analyst = this.models.analyst.peek();
    const opened = this.#opened;
    if (!analyst || !opened) return;
    const { signal } = this.#trackAbort;
    try {
      const pcm = await this.#pcmFor(analyst, signal);
      signal.throwIfAborted();
      const isWanted = analyst === this.models.analyst.peek() && !this.#listening && !this.#live.peek();
      if (!pcm || !isWanted) return;
      opened.pcm = pcm;
      this.#lead(this.#listen(analyst, pcm));
      this.#listening?.focus(this.#services.player.positionSeconds);
    } catch (error) {
      if (!signal.aborted) this.notices.show("error", explainTrack(error, opened.source.title));
    }
  }

  /** Stop listening to the track. */
  #abandon(): void {
    this.#listening?.stop();
    this.#lead(null);
    this.#dropSuccessor();
  }

  #showPosition(): void {
    const { positionSeconds, durationSeconds } = this.#services.player;
    batch(() => {
      this.#positionSeconds.value =
        positionSeconds >= durationSeconds - END_MARGIN_SECONDS
          ? durationSeconds
          : Math.floor(positionSeconds / SHOWN_STEP_SECONDS) * SHOWN_STEP_SECONDS;
      this.#readyUntilSeconds.value = this.#listening?.parameters.readyUntil(positionSeconds) ?? 0;
    });
  }

  /** @returns whether the picture will have changed by the next frame */
  #draw(nowMs: number): boolean {
    const { player } = this.#services;
    const sinceMs = this.#lastFrameMs === null ? 0 : Math.min(nowMs - this.#lastFrameMs, 100);
    if (this.#breathing && sinceMs > 0 && sinceMs < IDLE_FRAME_MS) return true;
    const position = player.positionSeconds;
    if (this.#playing.value && !this.#waiting.value) {
      this.#showPosition();
      if (player.playing && this.#mustWait()) void this.#advance();
    }

    let frame: VisualFrame;
    const listening = this.#listening;
    const live = this.#live.value;
    if (live) {
      const moment = live.secondsAt(nowMs);
      frame = live.ready
        ? this.#frames.hear(live, this.choices.wires.value, moment)
        : idleFrame(this.choices.visual.value, moment);
    } else if (listening?.parameters.isReady(position)) {
      frame = this.#frames.hear(listening.parameters, listening.wires, position);
      this.#heard = true;
    } else if (this.#heard) {
      // Where the analysis has not been yet, the picture stands still as the music does.
      frame = this.#frames.hold(position);
    } else {
      this.#idleSeconds += sinceMs / 1000;
      frame = idleFrame(this.choices.visual.value, this.#idleSeconds);
    }
    this.#frame = frame;
    for (const listener of this.#frameListeners) listener(frame);

    // A track on its way to be heard needs the processor more than the picture does.
    const breathing =
      !live && !this.#track.value && this.#opening.value === null && !this.settings.calm.value;
    this.#breathing = breathing;
    const again = live !== null || breathing || (this.#playing.value && !this.#waiting.value);
    this.#lastFrameMs = again ? nowMs : null;
    return again;
  }
}
