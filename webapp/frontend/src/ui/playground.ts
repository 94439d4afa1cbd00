import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import type { DecodedTrack } from "../analysis/decode";
import { BundleError, longestWindowSeconds, type RegistryEntry, type TimeSettings } from "../bundle";
import { mustWait } from "../player/buffering";
import { clamp } from "../player/clock";
import { formatPercent } from "../player/format";
import { FrameLoop, Scope } from "../player/scope";
import type { VisualDefinition, VisualFrame } from "../visuals/visual";
import type { Analyst, Services } from "./engine";
import { idleFrame } from "./idle-frame";
import { Listening, mappingFor, stepsOf, timeFor, type MappingChoice, type TimeChoice } from "./listening";
import { Notices } from "./notices";
import { defaultOrder } from "./order";
import type { Settings } from "./settings";
import type { DemoTrack, TrackSource } from "./sources";
import { moved, phaseOf, type Phase, type TrackInfo } from "./state";
import { explainModel, explainTrack, technicalReason } from "./words";

const N_PARAMETERS = 10;
/** Slow breathing looks no better with more frames than this gives. */
const IDLE_FRAME_MS = 30;
/** The clock on the page moves in steps of this; the picture does not. */
const SHOWN_STEP_SECONDS = 0.1;
/** Where playback rests at a track's end, a press on play begins anew. */
const END_MARGIN_SECONDS = 0.05;

export type EngineState =
  | { readonly kind: "starting"; readonly fraction: number; readonly what: string }
  | { readonly kind: "ready"; readonly analyst: Analyst }
  /** No model can be had: music plays, the picture rests. */
  | { readonly kind: "missing"; readonly reason: string };

export interface PlaygroundOptions {
  readonly services: Services;
  readonly settings: Settings;
  readonly visuals: readonly VisualDefinition[];
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
  readonly visuals: readonly VisualDefinition[];
  readonly notices = new Notices();

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
  readonly #engine = signal<EngineState>({ kind: "starting", fraction: 0, what: "" });
  readonly #models = signal<readonly RegistryEntry[]>([]);
  readonly #modelName = signal<string | null>(null);
  readonly #demoTracks = signal<readonly DemoTrack[]>([]);
  readonly #mapping = signal<MappingChoice | null>(null);
  readonly #time = signal<TimeChoice>({});
  /** The person's own order; null: what suits picture and model. */
  readonly #order = signal<readonly number[] | null>(null);

  /** The model that answers, and what is needed to let another one listen to the same track. */
  #analyst: Analyst | null = null;
  #modelAttempt = 0;
  #opened: {
    readonly source: TrackSource;
    readonly decoded: DecodedTrack;
    readonly sampleRateHz: number;
  } | null = null;
  #openAbort: AbortController | null = null;
  #listening: Listening | null = null;
  /** A newly chosen model that has not reached the playhead yet. */
  #successor: Listening | null = null;

  readonly #parameters = new Float32Array(N_PARAMETERS).fill(0.5);
  readonly #travel = new Float32Array(N_PARAMETERS);
  readonly #recalledTravel = new Float32Array(N_PARAMETERS);
  /** The picture's parameters come from the track, not from its rest. */
  #heard = false;
  #idleSeconds = 0;
  /** The last frame was one of the slow ones without music. */
  #breathing = false;
  #lastFrameMs: number | null = null;

  constructor({ services, settings, visuals }: PlaygroundOptions) {
    this.#services = services;
    this.settings = settings;
    this.visuals = visuals;
    this.#loop = new FrameLoop(this.scope, (nowMs) => this.#draw(nowMs));
    this.scope.own(effect(() => services.player.setVolume(settings.muted.value ? 0 : settings.volume.value)));
    // Another picture may want another order.
    this.scope.own(this.visual.subscribe(() => this.#applyChoices()));
    this.scope.own(() => {
      this.#openAbort?.abort();
      this.#analyst?.dispose();
      this.#successor?.analyst.dispose();
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
    }),
  );

  readonly visual: ReadonlySignal<VisualDefinition> = computed(() => {
    const definition = this.visuals.find(({ id }) => id === this.settings.visualId.value) ?? this.visuals[0];
    if (!definition) throw new Error("There is no visual.");
    return definition;
  });

  /** What goes on while the person waits, in words; null when nothing does. */
  readonly progress: ReadonlySignal<string | null> = computed(() => {
    const engine = this.#engine.value;
    const opening = this.#opening.value;
    if (engine.kind === "starting" && (opening !== null || this.#track.value !== null)) {
      return `Preparing the model, ${formatPercent(engine.fraction)}`;
    }
    if (opening !== null) return `Reading “${opening}”`;
    if (this.#playing.value && this.#waiting.value) return "Waiting for the analysis";
    if (this.#track.value && this.#analysed.value < 1 && engine.kind === "ready") {
      return `Listening ahead, ${formatPercent(this.#analysed.value)}`;
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

  get noteOpen(): ReadonlySignal<boolean> {
    return this.#noteOpen;
  }

  get engine(): ReadonlySignal<EngineState> {
    return this.#engine;
  }

  get models(): ReadonlySignal<readonly RegistryEntry[]> {
    return this.#models;
  }

  get modelName(): ReadonlySignal<string | null> {
    return this.#modelName;
  }

  get demoTracks(): ReadonlySignal<readonly DemoTrack[]> {
    return this.#demoTracks;
  }

  /** The mapping in force; null without a model. */
  readonly mapping: ReadonlySignal<MappingChoice | null> = computed(() => {
    const engine = this.#engine.value;
    if (engine.kind !== "ready") return null;
    const { projection, scaling } = mappingFor(engine.analyst, this.#mapping.value);
    return { projection: projection.name, mode: scaling.mode, method: scaling.method };
  });

  /** Smoothing, interpolation and look-ahead in force; null without a model. */
  readonly time: ReadonlySignal<TimeSettings | null> = computed(() => {
    const engine = this.#engine.value;
    return engine.kind === "ready" ? timeFor(engine.analyst, this.#time.value) : null;
  });

  /** Which of the model's ten numbers drives each of the visual's parameters. */
  readonly order: ReadonlySignal<readonly number[]> = computed(() => {
    const engine = this.#engine.value;
    // While another model starts, the one before carries the picture.
    return this.#orderFor(engine.kind === "ready" ? engine.analyst : this.#analyst);
  });

  /** Be called with every frame. The frame's arrays are used again: copy what is to last. */
  onFrame(listener: FrameListener): () => void {
    this.#frameListeners.add(listener);
    this.#loop.wake();
    return this.scope.own(() => this.#frameListeners.delete(listener));
  }

  /** Draw once more: something about the picture has changed. */
  redraw(): void {
    this.#loop.wake();
  }

  // ------------------------------------------------------------------------------------------------------- models

  /** Fetch what the server offers, and start the first model. */
  async start(): Promise<void> {
    void this.#loadDemoTracks();
    try {
      const { bundles } = await this.#services.loadRegistry();
      this.#models.value = bundles;
      const [first] = bundles;
      if (first) {
        await this.chooseModel(first.name);
      } else {
        const reason = "This server offers no model yet.";
        this.#engine.value = { kind: "missing", reason };
        this.notices.show("error", `${reason} Music plays, but the picture rests.`);
      }
    } catch (error) {
      this.#engine.value = { kind: "missing", reason: technicalReason(error) };
      this.notices.show("error", `${explainModel(error)} Music plays meanwhile, but the picture rests.`, {
        label: "Try again",
        run: () => void this.start(),
      });
    }
  }

  /** Use another model, as soon as it is ready; the music goes on. */
  async chooseModel(name: string): Promise<void> {
    const entry = this.#models.value.find((model) => model.name === name);
    if (!entry) return;
    const attempt = ++this.#modelAttempt;
    const before = this.#modelName.peek();
    this.#modelName.value = name;
    this.#engine.value = { kind: "starting", fraction: 0, what: "" };
    try {
      const analyst = await this.#services.startAnalyst(entry.latestUrl, (fraction, what) => {
        if (attempt === this.#modelAttempt) this.#engine.value = { kind: "starting", fraction, what };
      });
      if (attempt !== this.#modelAttempt || this.scope.disposed) {
        analyst.dispose();
        return;
      }
      const { nParameters } = analyst.bundle.mappings;
      if (nParameters !== N_PARAMETERS) {
        analyst.dispose();
        throw new BundleError(
          "mappings.json: n_parameters",
          `is ${nParameters}, but pictures have ${N_PARAMETERS} parameters`,
        );
      }
      await this.#adopt(analyst);
    } catch (error) {
      if (attempt !== this.#modelAttempt) return;
      const analyst = this.#analyst;
      this.#engine.value = analyst
        ? { kind: "ready", analyst }
        : { kind: "missing", reason: technicalReason(error) };
      this.#modelName.value = analyst ? before : null;
      const meanwhile = analyst ? "The one before goes on." : "Music plays meanwhile, but the picture rests.";
      this.notices.show("error", `${explainModel(error)} ${meanwhile}`, {
        label: "Try again",
        run: () => void this.chooseModel(name),
      });
    }
  }

  chooseMapping(choice: MappingChoice): void {
    this.#mapping.value = choice;
    this.#applyChoices();
  }

  /** What is not named stays as it is. */
  chooseTime(change: TimeChoice): void {
    this.#time.value = { ...this.#time.value, ...change };
    this.#applyChoices();
  }

  /** Let the number that drives the visual's parameter `from` drive parameter `to`; those between move up. */
  moveParameter(from: number, to: number): void {
    this.#order.value = moved(this.order.value, from, to);
    this.#applyChoices();
  }

  resetChoices(): void {
    batch(() => {
      this.#mapping.value = null;
      this.#time.value = {};
      this.#order.value = null;
    });
    this.#applyChoices();
  }

  // ----------------------------------------------------------------------------------------------------- playback

  /** Open a track and play it. What plays now goes on until the new one is decoded. */
  async open(source: TrackSource): Promise<void> {
    this.#openAbort?.abort();
    const abort = new AbortController();
    this.#openAbort = abort;
    batch(() => {
      this.#opening.value = source.title;
      this.#failed.value = false;
      this.notices.clear();
    });
    this.#services.player.warmUp();
    try {
      const [data, analyst] = await Promise.all([source.read(abort.signal), this.#settledAnalyst()]);
      abort.signal.throwIfAborted();
      const sampleRateHz = analyst?.bundle.audio.sampleRateHz ?? this.#services.player.sampleRateHz;
      const minSeconds = analyst ? longestWindowSeconds(analyst.bundle) : 0;
      const decoded = await this.#services.decode(data, { sampleRateHz, minSeconds });
      abort.signal.throwIfAborted();
      this.#insert(source, decoded, sampleRateHz);
    } catch (error) {
      if (abort.signal.aborted) return;
      batch(() => {
        this.#opening.value = null;
        this.#failed.value = true;
        this.notices.show("error", explainTrack(error, source.title));
      });
      return;
    }
    await this.play();
  }

  async play(): Promise<void> {
    if (!this.#track.value) return;
    if (!this.settings.noteAccepted.value) {
      this.#noteOpen.value = true;
      return;
    }
    const { player } = this.#services;
    if (player.positionSeconds >= player.durationSeconds - END_MARGIN_SECONDS) this.seek(0);
    this.#playing.value = true;
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
    if (this.#playing.value) this.pause();
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
    await this.play();
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

  /** The model, once its start has come to an end one way or the other. */
  #settledAnalyst(): Promise<Analyst | null> {
    return new Promise((resolve) => {
      const stop = effect(() => {
        const engine = this.#engine.value;
        if (engine.kind === "starting") return;
        resolve(engine.kind === "ready" ? engine.analyst : null);
        // An effect cannot end itself while it runs for the first time: `stop` is not there yet.
        queueMicrotask(() => stop());
      });
    });
  }

  #insert(source: TrackSource, decoded: DecodedTrack, sampleRateHz: number): void {
    const { player } = this.#services;
    const { title, artist } = source;
    player.load(decoded.audio);
    this.#listening?.stop();
    this.#listening = null;
    this.#dropSuccessor();
    this.#opened = { source, decoded, sampleRateHz };
    this.#heard = false;
    batch(() => {
      this.#track.value = { title, artist, durationSeconds: decoded.durationSeconds };
      this.#opening.value = null;
      this.#playing.value = false;
      this.#waiting.value = false;
      this.#started.value = false;
      this.#analysed.value = 0;
      this.#positionSeconds.value = 0;
    });
    if (this.#analyst) this.#listening = this.#listen(this.#analyst, decoded.pcm);
    this.#showPosition();
    this.#loop.wake();
  }

  /** Take over a model that has started; a track that is open is analysed anew from the playhead on. */
  async #adopt(analyst: Analyst): Promise<void> {
    const attempt = this.#modelAttempt;
    const before = this.#analyst;
    this.#dropSuccessor();
    const pcm = await this.#pcmFor(analyst);
    if (attempt !== this.#modelAttempt || this.scope.disposed) {
      analyst.dispose();
      return;
    }
    this.#analyst = analyst;
    this.#engine.value = { kind: "ready", analyst };
    if (!pcm) {
      before?.dispose();
      return;
    }
    // The old model's parameters carry the picture until the new one has caught up with the playhead.
    this.#listening?.stop();
    const successor = this.#listen(analyst, pcm);
    if (!successor) {
      this.#listening = null;
    } else if (this.#listening) {
      this.#successor = successor;
    } else {
      this.#listening = successor;
    }
    before?.dispose();
    successor?.focus(this.#services.player.positionSeconds);
  }

  /** The open track at the rate of that model; null when no track is open. */
  async #pcmFor(analyst: Analyst): Promise<Float32Array | null> {
    const opened = this.#opened;
    if (!opened) return null;
    const { sampleRateHz } = analyst.bundle.audio;
    if (sampleRateHz === opened.sampleRateHz) return opened.decoded.pcm;
    const data = await opened.source.read(new AbortController().signal);
    return (await this.#services.decode(data, { sampleRateHz })).pcm;
  }

  #listen(analyst: Analyst, pcm: Float32Array): Listening | null {
    this.#analysed.value = 0;
    try {
      const listening = new Listening(
        analyst,
        pcm,
        { mapping: this.#mapping.value, time: this.#time.value },
        {
          onGrow: () => this.#grow(),
          onProgress: (fraction) => {
            this.#analysed.value = fraction;
          },
          onFail: (error) => {
            this.notices.show("error", `The analysis stopped: ${explainModel(error)}`);
            this.#listening = null;
            if (this.#playing.value) void this.#advance();
          },
        },
      );
      listening.parameters.order = this.#orderFor(analyst);
      return listening;
    } catch (error) {
      this.notices.show("error", explainTrack(error, this.#opened?.source.title ?? "The track"));
      return null;
    }
  }

  #grow(): void {
    const { positionSeconds } = this.#services.player;
    if (this.#successor?.parameters.isReady(positionSeconds)) {
      this.#listening = this.#successor;
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
    if (!audible) {
      this.#playing.value = false;
      this.notices.show("info", "The browser holds the sound back until you press play.", {
        label: "Play",
        run: () => void this.play(),
      });
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

  /** The track has been heard to its end. */
  ended(): void {
    this.pause();
  }

  #dropSuccessor(): void {
    this.#successor?.stop();
    this.#successor = null;
  }

  #applyChoices(): void {
    for (const listening of [this.#listening, this.#successor]) {
      if (!listening) continue;
      const { analyst, parameters } = listening;
      const mapping = mappingFor(analyst, this.#mapping.peek());
      const time = timeFor(analyst, this.#time.peek());
      // Both make the track compute anew, so they are touched only when they change.
      if (!sameFields(parameters.mapping, mapping)) parameters.mapping = mapping;
      if (!sameFields(parameters.time, time)) parameters.time = time;
      parameters.order = this.#orderFor(analyst);
    }
    this.#loop.wake();
  }

  #orderFor(analyst: Analyst | null): readonly number[] {
    const own = this.#order.value;
    if (own) return own;
    if (!analyst) return Array.from({ length: N_PARAMETERS }, (_, i) => i);
    const moves = this.visual.value.parameters.map((parameter) => parameter.moves);
    return defaultOrder(moves, stepsOf(analyst, mappingFor(analyst, this.#mapping.value)));
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
    const parameters = this.#listening?.parameters;
    if (parameters?.isReady(position)) {
      parameters.at(position, this.#parameters, this.#travel);
      this.#heard = true;
    }
    if (this.#heard) {
      // Where the analysis has not been yet, the picture stands still as the music does.
      frame = {
        timeSeconds: position,
        parameters: this.#parameters,
        travel: this.#travel,
        recall: (seconds, out) => this.#listening?.parameters.at(seconds, out, this.#recalledTravel),
      };
    } else {
      this.#idleSeconds += sinceMs / 1000;
      frame = idleFrame(this.visual.value, this.#idleSeconds);
    }
    for (const listener of this.#frameListeners) listener(frame);

    // A track on its way to be heard needs the processor more than the picture does.
    const breathing = !this.#track.value && this.#opening.value === null && !this.settings.calm.value;
    this.#breathing = breathing;
    const again = breathing || (this.#playing.value && !this.#waiting.value);
    this.#lastFrameMs = again ? nowMs : null;
    return again;
  }
}

function sameFields<T extends object>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((name) => a[name] === b[name]);
}
