import { checkLength, ONSETS, ONSETS_SIZE, streamsOf } from "../analysis/onsets";
import { timeAxis, type TimeAxis } from "../analysis/segments";
import {
  findMapping,
  type Bundle,
  type Encoder,
  type Mapping,
  type Part,
  type TimeSettings,
} from "../bundle";
import { interpolate, positionAt, type Position } from "./interpolate";
import { Motion, PULSE_SECONDS } from "./motion";
import { project } from "./project";
import { finestAxis, movingColumns, writeRow, type ProjectedPart } from "./rows";
import { fitToTrack, scale, type Affine } from "./scale";
import { pastWeights, smooth } from "./smooth";

/** Consecutive encodings of a track. */
export interface EncodingBlock {
  /** Name of the encoder that gave them. */
  readonly encoder: string;
  /** Index of the first one. */
  readonly first: number;
  readonly count: number;
  /** Shape [count, size], flattened. */
  readonly encodings: Float32Array;
  readonly size: number;
  /** Probabilities of genres, of an encoder that tells them, shape [count, number of genres], flattened. */
  readonly genres?: Float32Array;
  /** As `genres`, of tags. */
  readonly tags?: Float32Array;
}

/** What every parameter is where nothing is known yet. */
const REST = 0.5;
/** Musical seconds per second where nothing is known yet, and of a track without onsets. */
const REST_RATE = 1;

/** In ticks: a time this close before one has reached it. */
const ROUNDING = 1e-9;

/** One encoder's encodings of a track. */
export interface TrackEncoder extends Pick<Encoder, "name" | "encodingSize"> {
  readonly axis: TimeAxis;
}

/** How the music moves at a moment. */
export interface MotionAt {
  /** Musical time since the track's start (mapping/motion.ts). */
  readonly musicSeconds: number;
  /** In [0, 1]: how strong the last onset was, dying away within `PULSE_SECONDS`. */
  readonly pulse: number;
}

export interface ParameterTrackOptions {
  /** With the onsets among them musical time passes as the music moves; without, like time. */
  readonly encoders: readonly TrackEncoder[];
  /** Length of the track: the last row holds until there. */
  readonly durationSeconds: number;
  readonly mapping: Mapping;
  readonly time: TimeSettings;
  /** A scaling that is fitted to the track is fitted whenever more of it is known; otherwise when `fit` is called. */
  readonly fitsItself?: boolean;
}

/** What has come in of an encoder. */
interface Source extends TrackEncoder {
  /** Shape [axis.count, encodingSize], flattened. */
  readonly encodings: Float32Array;
  /** 1 where an encoding has come in. */
  readonly known: Uint8Array;
}

/** A part of the mapping in force. */
interface PartTrack extends ProjectedPart {
  readonly part: Part;
  readonly source: Source;
  readonly values: Float64Array;
}

/** A stretch of the track without missing rows, and its smoothed parameters on the tick grid. */
interface Run {
  /** Rows `first ... end - 1`. */
  readonly first: number;
  readonly end: number;
  readonly startSeconds: number;
  readonly endSeconds: number;
  /** Ticks `firstTick ... endTick - 1` lie in the run. */
  readonly firstTick: number;
  readonly endTick: number;
  /** Those before are computed; the others when somebody asks. */
  computedTick: number;
  /** Where it stands at the last of them. */
  motion: Motion;
  /**
   * Travel at `startSeconds`, and as the last number musical time, shape [nParameters + 1]: all before it, missing
   * stretches at rest. Null until asked for.
   */
  base: Float64Array | null;
}

/** Rows `first ... end - 1`; none: `first >= end`. */
interface RowRange {
  first: number;
  end: number;
}

/**
 * The visual parameters of one track as a function of playback time: projected, scaled, interpolated, smoothed,
 * integrated. Smoothing and integration run in musical time (`Motion`).
 *
 * Parameters live on the time axis of the mapping's finest encoder. A row is known when every encoding that it hangs
 * on is: its own, in the other parts those that it lies between, and the onsets since the row before. All encodings are
 * kept as they came, so another mapping, whichever encoders it takes, counts at once and for the whole track.
 *
 * The same encodings, mapping, settings and time give the same parameters, however the blocks came in, however often
 * and in whatever order one asks. Smoothing starts from rest at the beginning of a run of known rows: the track's
 * start, or after a seek the place from which the analysis went on, until the gap before it is closed. A scaling that
 * is fitted to the track is fitted anew to all known rows whenever there are more of them.
 *
 * Between two ticks the average is taken over the part of a tick that has passed, so it is continuous, and without
 * smoothing it is the interpolated value itself, wherever the music moves.
 */
export class ParameterTrack {
  readonly durationSeconds: number;
  readonly nParameters: number;
  private readonly sources: ReadonlyMap<string, Source>;
  private readonly fitsItself: boolean;
  private currentMapping: Mapping;
  /** What the mapping's scaling comes to for this track. */
  private affine: Affine;
  private currentTime: TimeSettings;
  private currentOrder: readonly number[];
  private parts: readonly PartTrack[] = [];
  private rowAxis: TimeAxis = { firstSeconds: 0, stepSeconds: 1, count: 0 };
  /** Shape [rowAxis.count, nParameters], flattened: projected, not scaled. */
  private projected = new Float64Array();
  /** As `projected`, scaled. */
  private scaled = new Float32Array();
  private rowKnown = new Uint8Array();
  /** Shape [number of ticks, nParameters], flattened: the smoothed parameters at `tick * tickSeconds`. */
  private smoothed = new Float64Array();
  /** Their integral since the start of the run that holds the tick, and musical time: [number of ticks, nParameters + 1]. */
  private travelled = new Float64Array();
  /** From each tick to the next. */
  private rates = new Float64Array();
  private pulses = new Float64Array();
  /** In order of time, not touching one another. */
  private runs: Run[] = [];

  /** @throws RangeError when a part's encoder is missing or has no encodings in a track of this length */
  constructor({ encoders, durationSeconds, mapping, time, fitsItself = true }: ParameterTrackOptions) {
    this.sources = new Map(
      encoders.map((encoder) => {
        const { name, encodingSize, axis } = encoder;
        if (axis.count < 1) throw new RangeError(`A track without encodings of "${name}" has no parameters.`);
        const encodings = new Float32Array(axis.count * encodingSize);
        return [name, { ...encoder, encodings, known: new Uint8Array(axis.count) }];
      }),
    );
    this.durationSeconds = durationSeconds;
    this.nParameters = mapping.scaling.gain.length;
    this.currentOrder = Array.from({ length: this.nParameters }, (_, i) => i);
    this.fitsItself = fitsItself;
    this.currentMapping = mapping;
    this.affine = mapping.scaling;
    this.currentTime = checkTime(time);
    this.recompute();
    this.layOut(mapping);
  }

  /**
   * A track of `nSamples` samples at the bundle's rate, with the bundle's own mapping and time settings unless told.
   *
   * @throws TrackTooShortError when nothing can be made of it
   */
  static of(
    bundle: Pick<Bundle, "audio" | "encoders" | "mappings">,
    nSamples: number,
    { mapping, time }: { readonly mapping?: Mapping; readonly time?: TimeSettings } = {},
  ): ParameterTrack {
    const { audio, mappings } = bundle;
    checkLength(bundle, nSamples);
    return new ParameterTrack({
      encoders: streamsOf(bundle).map((stream) => ({ ...stream, axis: timeAxis(audio, stream, nSamples) })),
      durationSeconds: nSamples / audio.sampleRateHz,
      mapping: mapping ?? findMapping(bundle),
      time: time ?? mappings.time,
    });
  }

  /** The times of the mapping's rows. */
  get axis(): TimeAxis {
    return this.rowAxis;
  }

  /** Shape [axis.count, nParameters], flattened: scaled, neither interpolated nor smoothed; 0.5 where not known. */
  get rows(): Float32Array {
    return this.scaled.map((value, i) =>
      this.rowKnown[Math.floor(i / this.nParameters)] === 1 ? value : REST,
    );
  }

  /** Projection and scaling; a new one counts at once for the whole track. */
  get mapping(): Mapping {
    return this.currentMapping;
  }

  set mapping(mapping: Mapping) {
    if (mapping.scaling.gain.length !== this.nParameters) {
      throw new RangeError(
        `The mapping gives ${mapping.scaling.gain.length} parameters, the track has ${this.nParameters}.`,
      );
    }
    if (mapping.projection !== this.currentMapping.projection) {
      this.layOut(mapping);
    } else {
      this.currentMapping = mapping;
      this.fit();
    }
  }

  /** Interpolation, smoothing and look-ahead; new ones count at once for the whole track. */
  get time(): TimeSettings {
    return this.currentTime;
  }

  set time(time: TimeSettings) {
    this.currentTime = checkTime(time);
    this.recompute();
  }

  /** Which parameter stands at each place of the result: a permutation of `0 ... nParameters - 1`. */
  get order(): readonly number[] {
    return this.currentOrder;
  }

  set order(order: readonly number[]) {
    const sorted = order.toSorted((a, b) => a - b);
    if (order.length !== this.nParameters || sorted.some((parameter, i) => parameter !== i)) {
      throw new RangeError(`[${order.join(", ")}] is not an order of ${this.nParameters} parameters.`);
    }
    this.currentOrder = [...order];
  }

  /**
   * Take in a block of encodings. Blocks may come in any order and overlap.
   *
   * @throws RangeError when it does not fit the track, or holds numbers that are not finite
   */
  add(block: EncodingBlock): void {
    const { encoder, first, count, encodings, size } = block;
    const source = this.sources.get(encoder);
    if (source?.encodingSize !== size) {
      throw new RangeError(`The track takes no encodings of size ${size} by "${encoder}".`);
    }
    if (first < 0 || count < 1 || first + count > source.axis.count || encodings.length !== count * size) {
      throw new RangeError(
        `A block of ${count} encodings from ${first} on (${encodings.length} numbers) does not fit a track of ` +
          `${source.axis.count}.`,
      );
    }
    if (!encodings.every(Number.isFinite)) {
      throw new RangeError(`Encodings by "${encoder}" hold numbers that are not finite.`);
    }
    source.encodings.set(encodings, first * size);
    source.known.fill(1, first, first + count);
    const changed = this.fillRows(source, first, first + count);
    if (changed.first >= changed.end) return;
    if (this.currentMapping.scaling.method === "per-track" && this.fitsItself) {
      this.fit();
      return;
    }
    this.scaleRows(changed.first, changed.end);
    this.updateRuns(changed);
  }

  /** Fit the scaling to all that is known of the track, where it is one that is fitted; it counts for the whole track. */
  fit(): void {
    const { scaling } = this.currentMapping;
    this.affine =
      scaling.method === "per-track"
        ? fitToTrack(scaling, this.knownRows(), movingColumns(this.parts))
        : scaling;
    this.scaleRows(0, this.rowAxis.count);
    this.runs = [];
    this.updateRuns({ first: 0, end: this.rowAxis.count });
  }

  /**
   * One encoder's encodings as far as they have come in, shape [axis.count, size], flattened: to be read only.
   *
   * @throws RangeError when the track has no such encoder
   */
  encodingsOf(encoder: string): {
    readonly encodings: Float32Array;
    readonly size: number;
    readonly axis: TimeAxis;
    readonly complete: boolean;
  } {
    const source = this.sources.get(encoder);
    if (source === undefined) throw new RangeError(`The track has no encoder "${encoder}".`);
    const { encodings, encodingSize, axis, known } = source;
    return { encodings, size: encodingSize, axis, complete: !known.includes(0) };
  }

  /** The same parameters, whatever is chosen or comes in for this track from now on. */
  copy(): ParameterTrack {
    const { durationSeconds, mapping, time } = this;
    const sources = [...this.sources.values()];
    const copy = new ParameterTrack({ encoders: sources, durationSeconds, mapping, time });
    for (const { name, encodingSize: size, encodings, known } of sources) {
      for (let first = known.indexOf(1); first >= 0;) {
        const gap = known.indexOf(0, first);
        const end = gap < 0 ? known.length : gap;
        const block = encodings.subarray(first * size, end * size);
        copy.add({ encoder: name, first, count: end - first, encodings: block, size });
        first = known.indexOf(1, end);
      }
    }
    copy.order = this.order;
    return copy;
  }

  /** The moment of the track that is shown at that playback time. */
  shownSeconds(timeSeconds: number): number {
    return Math.min(this.durationSeconds, Math.max(0, timeSeconds + this.currentTime.lookAheadSeconds));
  }

  /** Whether the parameters at that time are known. */
  isReady(timeSeconds: number): boolean {
    return this.runAt(this.shownSeconds(timeSeconds)) !== undefined;
  }

  /** Until when playback from that time on finds parameters; the time itself when it finds none there. */
  readyUntil(timeSeconds: number): number {
    const end = this.runAt(this.shownSeconds(timeSeconds))?.endSeconds;
    if (end === undefined) return timeSeconds;
    if (end >= this.durationSeconds) return this.durationSeconds;
    return Math.min(this.durationSeconds, end - this.currentTime.lookAheadSeconds);
  }

  /**
   * The parameters at a moment of playback.
   *
   * @param timeSeconds times before the start and after the end count as start and end
   * @param parameters result, shape [nParameters], in [0, 1]: 0.5 where nothing is known yet
   * @param travel result, shape [nParameters]: each parameter's integral over musical time from the track's start to the
   *   moment that is shown, in seconds; stretches that are not known yet count with 0.5
   */
  at(timeSeconds: number, parameters: Float32Array, travel: Float32Array): void {
    const time = this.shownSeconds(timeSeconds);
    const run = this.runAt(time);
    if (run === undefined) {
      const since = this.endTravelBefore(time);
      for (let place = 0; place < this.nParameters; place++) {
        parameters[place] = REST;
        travel[place] = since[this.currentOrder[place] ?? place] ?? 0;
      }
      return;
    }
    const n = this.nParameters;
    const position = this.positionAt(time);
    const { tick, musicSeconds } = this.lastTick(run, time);
    const base = this.baseOf(run);
    const weights = pastWeights(this.currentTime, musicSeconds);
    for (let place = 0; place < n; place++) {
      const parameter = this.currentOrder[place] ?? place;
      const past = this.valueAt(run, tick, parameter);
      const now = smooth(past, interpolate(this.scaled, n, position, parameter), weights);
      const travelled = tick === null ? 0 : (this.travelled[tick * (n + 1) + parameter] ?? 0);
      parameters[place] = now;
      travel[place] = (base[parameter] ?? 0) + travelled + ((past + now) / 2) * musicSeconds;
    }
  }

  /** How the music moves at a moment of playback; without onsets its time passes like time, and nothing pulses. */
  motionAt(timeSeconds: number): MotionAt {
    const n = this.nParameters;
    const time = this.shownSeconds(timeSeconds);
    const run = this.runAt(time);
    if (run === undefined) return { musicSeconds: this.endTravelBefore(time)[n] ?? 0, pulse: 0 };
    const { tick, elapsed, musicSeconds } = this.lastTick(run, time);
    const before =
      (this.baseOf(run)[n] ?? 0) + (tick === null ? 0 : (this.travelled[tick * (n + 1) + n] ?? 0));
    const pulse = tick === null ? 0 : (this.pulses[tick] ?? 0);
    return { musicSeconds: before + musicSeconds, pulse: Math.max(0, pulse - elapsed / PULSE_SECONDS) };
  }

  /**
   * The last tick of a run up to a time, and how long that is ago; null where the run itself has begun since the tick,
   * then since it began.
   */
  private lastTick(
    run: Run,
    time: number,
  ): { readonly tick: number | null; readonly elapsed: number; readonly musicSeconds: number } {
    const tick = Math.min(this.tickAt(time), run.endTick - 1);
    this.computeTicks(run, tick + 1);
    const isIn = tick >= run.firstTick;
    const elapsed = Math.max(0, time - (isIn ? tick * this.currentTime.tickSeconds : run.startSeconds));
    const rate = isIn ? (this.rates[tick] ?? REST_RATE) : REST_RATE;
    return { tick: isIn ? tick : null, elapsed, musicSeconds: rate * elapsed };
  }

  /** A parameter at a tick of a run; null: where the run begins. */
  private valueAt(run: Run, tick: number | null, parameter: number): number {
    return tick === null
      ? this.startValue(run, parameter)
      : (this.smoothed[tick * this.nParameters + parameter] ?? 0);
  }

  /** Travel and musical time at a moment that is not known: at the end of the run before it, and from there at rest. */
  private endTravelBefore(
    time: number,
    before: Run | null = this.runs.findLast((run) => run.endSeconds <= time) ?? null,
  ): Float64Array {
    const since = time - (before?.endSeconds ?? 0);
    const travel = before ? this.endTravel(before) : new Float64Array(this.nParameters + 1);
    return travel.map((value, i) => value + (i < this.nParameters ? REST : REST_RATE) * since);
  }

  private runAt(time: number): Run | undefined {
    return this.runs.find((run) => time >= run.startSeconds && time <= run.endSeconds);
  }

  private positionAt(time: number): Position {
    return positionAt(this.rowAxis, time, this.currentTime.interpolation);
  }

  // --------------------------------------------------------------------------------------------- encodings to rows

  /** Put a mapping in force that takes the encodings in another way, and project all that has come in. */
  private layOut(mapping: Mapping): void {
    this.parts = mapping.projection.parts.map((part) => {
      const source = this.sources.get(part.encoder);
      if (source === undefined) throw new RangeError(`The track has no encoder "${part.encoder}".`);
      const { axis } = source;
      return { part, source, axis, size: part.size, values: new Float64Array(axis.count * part.size) };
    });
    this.currentMapping = mapping;
    const axis = finestAxis(this.parts);
    this.rowAxis = axis;
    this.projected = new Float64Array(axis.count * this.nParameters);
    this.scaled = new Float32Array(axis.count * this.nParameters);
    this.rowKnown = new Uint8Array(axis.count);
    for (const { source } of this.parts) this.fillRows(source, 0, source.axis.count);
    this.fit();
  }

  /** Project encodings `first ... end - 1` as far as they are known. @returns the rows that hang on them */
  private fillRows(source: Source, first: number, end: number): RowRange {
    const changed = { first: this.rowAxis.count, end: 0 };
    const fresh = this.parts.filter((part) => part.source === source);
    if (fresh.length === 0 && source.name !== ONSETS) return changed;
    const { encodings, encodingSize, known, axis } = source;
    for (const { part, values } of fresh) {
      for (let k = first; k < end; k++) {
        if (known[k] === 0) continue;
        const encoding = encodings.subarray(k * encodingSize, (k + 1) * encodingSize);
        values.set(project(part, encoding), k * part.size);
      }
    }
    const row = new Float64Array(this.nParameters);
    const { count } = this.rowAxis;
    for (let k = Math.min(rowBefore(this.rowAxis, axis, first - 1), count - 1); k < count; k++) {
      const span = this.spanOf(source, k);
      if (span.first >= end) break;
      if (span.end <= first || !this.isKnown(k)) continue;
      writeRow(this.parts, timeOf(this.rowAxis, k), row);
      this.projected.set(row, k * this.nParameters);
      this.rowKnown[k] = 1;
      changed.first = Math.min(changed.first, k);
      changed.end = k + 1;
    }
    return changed;
  }

  /** Whether all that row `k` hangs on has come in. */
  private isKnown(k: number): boolean {
    const onsets = this.sources.get(ONSETS);
    return [...this.parts.map(({ source }) => source), ...(onsets ? [onsets] : [])].every((source) => {
      const { first, end } = this.spanOf(source, k);
      return !source.known.subarray(first, end).includes(0);
    });
  }

  /** The encodings that row `k` hangs on: those that it lies between, and all onsets since the row before. */
  private spanOf({ name, axis }: Source, k: number): RowRange {
    const { left, right } = positionAt(axis, timeOf(this.rowAxis, k));
    if (name !== ONSETS) return { first: left, end: right + 1 };
    // The first row holds from the track's start on, the last until its end.
    const before = k === 0 ? -1 : positionAt(axis, timeOf(this.rowAxis, k - 1)).left;
    return {
      first: Math.min(left, before + 1),
      end: k === this.rowAxis.count - 1 ? axis.count : right + 1,
    };
  }

  private scaleRows(first: number, end: number): void {
    const from = first * this.nParameters;
    const to = end * this.nParameters;
    scale(this.projected.subarray(from, to), this.affine, this.scaled.subarray(from, to));
  }

  private knownRows(): Float64Array {
    const n = this.nParameters;
    const rows = new Float64Array(this.projected.length);
    let end = 0;
    for (let k = 0; k < this.rowKnown.length; k++) {
      if (this.rowKnown[k] === 0) continue;
      for (let i = k * n; i < (k + 1) * n; i++) rows[end++] = this.projected[i] ?? NaN;
    }
    return rows.subarray(0, end);
  }

  // ------------------------------------------------------------------------------------------------ rows to motion

  /** Find the runs of known rows, after these have changed. */
  private updateRuns(changed: RowRange): void {
    const before = this.runs;
    const after: Run[] = [];
    for (let first = this.rowKnown.indexOf(1); first !== -1; first = this.rowKnown.indexOf(1, first)) {
      const unknown = this.rowKnown.indexOf(0, first);
      const run = this.createRun(first, unknown === -1 ? this.rowAxis.count : unknown);
      // What a change only continues keeps its ticks; what lies after it hangs on it and is computed anew.
      const old = before.find((candidate) => candidate.first === first);
      if (old && (changed.first >= old.end || changed.end <= first)) {
        run.computedTick = old.computedTick;
        run.motion = old.motion;
      }
      after.push(run);
      first = run.end;
    }
    this.runs = after;
  }

  private createRun(first: number, end: number): Run {
    // Before the first and after the last row the value holds.
    const startSeconds = first === 0 ? 0 : timeOf(this.rowAxis, first);
    const endSeconds = end === this.rowAxis.count ? this.durationSeconds : timeOf(this.rowAxis, end - 1);
    const firstTick = Math.ceil(startSeconds / this.currentTime.tickSeconds - ROUNDING);
    const endTick = Math.max(firstTick, this.tickAt(endSeconds) + 1);
    const motion = new Motion(this.currentTime.tickSeconds / this.motionSteps());
    const ticks = { firstTick, endTick, computedTick: firstTick };
    return { first, end, startSeconds, endSeconds, ...ticks, motion, base: null };
  }

  /** From where smoothing sets out: the value at the run's start. */
  private startValue(run: Run, parameter: number): number {
    return this.scaled[run.first * this.nParameters + parameter] ?? 0;
  }

  /** The last tick up to that time. */
  private tickAt(time: number): number {
    return Math.floor(time / this.currentTime.tickSeconds + ROUNDING);
  }

  private recompute(): void {
    const nTicks = this.tickAt(this.durationSeconds) + 1;
    if (this.rates.length !== nTicks) {
      this.smoothed = new Float64Array(nTicks * this.nParameters);
      this.travelled = new Float64Array(nTicks * (this.nParameters + 1));
      this.rates = new Float64Array(nTicks);
      this.pulses = new Float64Array(nTicks);
    }
    this.runs = this.runs.map(({ first, end }) => this.createRun(first, end));
  }

  /** Smooth and integrate up to the tick before `endTick`. */
  private computeTicks(run: Run, endTick: number): void {
    const n = this.nParameters;
    const { smoothed, travelled, rates, pulses } = this;
    const { tickSeconds } = this.currentTime;
    for (let tick = run.computedTick; tick < endTick; tick++) {
      const time = tick * tickSeconds;
      const position = this.positionAt(time);
      const last = tick === run.firstTick ? null : tick - 1;
      const musicSeconds =
        last === null
          ? REST_RATE * Math.max(0, time - run.startSeconds)
          : (rates[last] ?? REST_RATE) * tickSeconds;
      const weights = pastWeights(this.currentTime, musicSeconds);
      const to = tick * (n + 1);
      const from = last === null ? null : last * (n + 1);
      for (let parameter = 0; parameter < n; parameter++) {
        const past = this.valueAt(run, last, parameter);
        const value = smooth(past, interpolate(this.scaled, n, position, parameter), weights);
        smoothed[tick * n + parameter] = value;
        const before = from === null ? 0 : (travelled[from + parameter] ?? 0);
        travelled[to + parameter] = before + ((past + value) / 2) * musicSeconds;
      }
      travelled[to + n] = (from === null ? 0 : (travelled[from + n] ?? 0)) + musicSeconds;
      rates[tick] = this.moveOn(run, time);
      pulses[tick] = run.motion.pulse;
    }
    run.computedTick = Math.max(run.computedTick, endTick);
  }

  /** Hear what has sounded since the last tick. @returns musical seconds per second until the next */
  private moveOn({ motion, startSeconds }: Run, time: number): number {
    const onsets = this.sources.get(ONSETS);
    if (onsets === undefined) return REST_RATE;
    const steps = this.motionSteps();
    let rate = 0;
    for (let step = 1; step <= steps; step++) {
      const moment = time - (1 - step / steps) * this.currentTime.tickSeconds;
      const position = positionAt(onsets.axis, Math.max(startSeconds, moment));
      motion.step(
        interpolate(onsets.encodings, ONSETS_SIZE, position, 0),
        interpolate(onsets.encodings, ONSETS_SIZE, position, 1),
      );
      rate += motion.rate / steps;
    }
    return rate;
  }

  /** So often is the motion heard in a tick, lest an onset falls between two. */
  private motionSteps(): number {
    const step = this.sources.get(ONSETS)?.axis.stepSeconds ?? Infinity;
    return Math.max(1, Math.ceil(this.currentTime.tickSeconds / step - ROUNDING));
  }

  /** A run's travel and musical time at its start. */
  private baseOf(run: Run): Float64Array {
    if (run.base === null) {
      const before = this.runs.findLast((candidate) => candidate.end <= run.first);
      run.base = this.endTravelBefore(run.startSeconds, before ?? null);
    }
    return run.base;
  }

  /** A run's travel and musical time at its end. */
  private endTravel(run: Run): Float64Array {
    const n = this.nParameters;
    const position = this.positionAt(run.endSeconds);
    const { tick, musicSeconds } = this.lastTick(run, run.endSeconds);
    const weights = pastWeights(this.currentTime, musicSeconds);
    return this.baseOf(run).map((base, i) => {
      const before = base + (tick === null ? 0 : (this.travelled[tick * (n + 1) + i] ?? 0));
      if (i === n) return before + musicSeconds;
      const past = this.valueAt(run, tick, i);
      const now = smooth(past, interpolate(this.scaled, n, position, i), weights);
      return before + ((past + now) / 2) * musicSeconds;
    });
  }
}

function timeOf(axis: TimeAxis, index: number): number {
  return axis.firstSeconds + index * axis.stepSeconds;
}

/** A row that does not lie after encoding `index` of another axis; 0 where there is no such encoding. */
function rowBefore(rows: TimeAxis, axis: TimeAxis, index: number): number {
  if (index < 0) return 0;
  return Math.max(0, Math.floor((timeOf(axis, index) - rows.firstSeconds) / rows.stepSeconds) - 1);
}

function checkTime(time: TimeSettings): TimeSettings {
  const { attack, release, tickSeconds, lookAheadSeconds } = time;
  for (const [name, retention] of Object.entries({ attack, release })) {
    if (!(retention >= 0 && retention <= 1)) {
      throw new RangeError(`The ${name} is ${retention}, it must lie in 0 ... 1.`);
    }
  }
  if (!(tickSeconds > 0)) throw new RangeError(`A tick lasts ${tickSeconds} s, it must be longer than 0.`);
  if (!Number.isFinite(lookAheadSeconds)) {
    throw new RangeError(`The look-ahead is ${lookAheadSeconds} s, it must be finite.`);
  }
  return time;
}
