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
import { project } from "./project";
import { finestAxis, writeRow, type ProjectedPart } from "./rows";
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
  /** A classifier's probabilities of its genres, shape [count, number of genres], flattened. */
  readonly genres?: Float32Array;
}

/** What every parameter is where nothing is known yet. */
const REST = 0.5;

/** In ticks: a time this close before one has reached it. */
const ROUNDING = 1e-9;

/** One encoder's encodings of a track. */
export interface TrackEncoder extends Pick<Encoder, "name" | "encodingSize"> {
  readonly axis: TimeAxis;
}

export interface ParameterTrackOptions {
  readonly encoders: readonly TrackEncoder[];
  /** Length of the track: the last row holds until there. */
  readonly durationSeconds: number;
  readonly mapping: Mapping;
  readonly time: TimeSettings;
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
  /** Travel at `startSeconds`, shape [nParameters]: all before it, missing stretches at rest. Null until asked for. */
  base: Float64Array | null;
}

/** Rows `first ... end - 1`; none: `first >= end`. */
interface RowRange {
  first: number;
  end: number;
}

/**
 * The visual parameters of one track as a function of playback time: projected, scaled, interpolated, smoothed,
 * integrated.
 *
 * Parameters live on the time axis of the mapping's finest encoder. A row is known when every encoding that it hangs
 * on is: its own, and in the other parts those that it lies between. All encodings are kept as they came, so another
 * mapping, whichever encoders it takes, counts at once and for the whole track.
 *
 * The same encodings, mapping, settings and time give the same parameters, however the blocks came in, however often
 * and in whatever order one asks. Smoothing starts from rest at the beginning of a run of known rows: the track's
 * start, or after a seek the place from which the analysis went on, until the gap before it is closed. A scaling that
 * is fitted to the track is fitted anew to all known rows whenever there are more of them.
 *
 * Between two ticks the average is taken over the part of a tick that has passed, so it is continuous, and without
 * smoothing it is the interpolated value itself.
 */
export class ParameterTrack {
  readonly durationSeconds: number;
  readonly nParameters: number;
  private readonly sources: ReadonlyMap<string, Source>;
  private currentMapping: Mapping;
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
  /** As `smoothed`: their integral since the start of the run that holds the tick. */
  private travelled = new Float64Array();
  /** In order of time, not touching one another. */
  private runs: Run[] = [];

  /** @throws RangeError when a part's encoder is missing or has no encodings in a track of this length */
  constructor({ encoders, durationSeconds, mapping, time }: ParameterTrackOptions) {
    this.sources = new Map(
      encoders.map((encoder) => {
        const { name, encodingSize, axis } = encoder;
        if (axis.count < 1) throw new RangeError(`A track without encodings of "${name}" has no parameters.`);
        const encodings = new Float32Array(axis.count * encodingSize);
        return [name, { ...encoder, encodings, known: new Uint8Array(axis.count) }];
      }),
    );
    this.durationSeconds = Math.max(
      durationSeconds,
      ...encoders.map(({ axis }) => timeOf(axis, axis.count - 1)),
    );
    this.nParameters = mapping.scaling.gain.length;
    this.currentOrder = Array.from({ length: this.nParameters }, (_, i) => i);
    this.currentMapping = mapping;
    this.currentTime = checkTime(time);
    this.recompute();
    this.layOut(mapping);
  }

  /**
   * A track of `nSamples` samples at the bundle's rate, with the bundle's own mapping and time settings unless told.
   *
   * @throws RangeError when it is shorter than one window
   */
  static of(
    bundle: Pick<Bundle, "audio" | "encoders" | "mappings">,
    nSamples: number,
    { mapping, time }: { readonly mapping?: Mapping; readonly time?: TimeSettings } = {},
  ): ParameterTrack {
    const { audio, encoders, mappings } = bundle;
    return new ParameterTrack({
      encoders: encoders.map((encoder) => ({ ...encoder, axis: timeAxis(audio, encoder, nSamples) })),
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
      this.scaleAll();
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
    if (this.currentMapping.scaling.method === "per-track") {
      this.scaleAll();
      return;
    }
    this.scaleRows(changed.first, changed.end, this.currentMapping.scaling);
    this.updateRuns(changed);
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
   * @param travel result, shape [nParameters]: each parameter's integral from the track's start to the moment that is
   *   shown, in seconds; stretches that are not known yet count with 0.5
   */
  at(timeSeconds: number, parameters: Float32Array, travel: Float32Array): void {
    const time = this.shownSeconds(timeSeconds);
    const run = this.runAt(time);
    if (run === undefined) {
      this.atGap(time, parameters, travel);
      return;
    }
    const n = this.nParameters;
    const { tickSeconds } = this.currentTime;
    const position = this.positionAt(time);
    const tick = Math.min(this.tickAt(time), run.endTick - 1);
    this.computeTicks(run, tick + 1);
    const base = this.baseOf(run);
    const elapsed = tick < run.firstTick ? time - run.startSeconds : time - tick * tickSeconds;
    const weights = pastWeights(this.currentTime, elapsed);
    for (let place = 0; place < n; place++) {
      const parameter = this.currentOrder[place] ?? place;
      // Before the run's first tick the past is its start.
      const i = tick < run.firstTick ? null : tick * n + parameter;
      const past = i === null ? this.startValue(run, parameter) : (this.smoothed[i] ?? 0);
      const travelled = i === null ? 0 : (this.travelled[i] ?? 0);
      const now = smooth(past, interpolate(this.scaled, n, position, parameter), weights);
      parameters[place] = now;
      travel[place] = (base[parameter] ?? 0) + travelled + ((past + now) / 2) * Math.max(0, elapsed);
    }
  }

  private atGap(time: number, parameters: Float32Array, travel: Float32Array): void {
    const before = this.runs.findLast((run) => run.endSeconds <= time);
    const since = time - (before?.endSeconds ?? 0);
    const base = before && this.endTravel(before);
    for (let place = 0; place < this.nParameters; place++) {
      const parameter = this.currentOrder[place] ?? place;
      parameters[place] = REST;
      travel[place] = (base?.[parameter] ?? 0) + REST * since;
    }
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
    this.scaleAll();
  }

  /** Project encodings `first ... end - 1` as far as they are known. @returns the rows that hang on them */
  private fillRows(source: Source, first: number, end: number): RowRange {
    const changed = { first: this.rowAxis.count, end: 0 };
    const fresh = this.parts.filter((part) => part.source === source);
    if (fresh.length === 0) return changed;
    const { encodings, encodingSize, known, axis } = source;
    for (const { part, values } of fresh) {
      for (let k = first; k < end; k++) {
        if (known[k] === 0) continue;
        const encoding = encodings.subarray(k * encodingSize, (k + 1) * encodingSize);
        values.set(project(part, encoding), k * part.size);
      }
    }
    const row = new Float64Array(this.nParameters);
    for (let k = rowBefore(this.rowAxis, axis, first - 1); k < this.rowAxis.count; k++) {
      const time = timeOf(this.rowAxis, k);
      const { left, right } = positionAt(axis, time);
      if (left >= end) break;
      if (right < first || !this.isKnown(time)) continue;
      writeRow(this.parts, time, row);
      this.projected.set(row, k * this.nParameters);
      this.rowKnown[k] = 1;
      changed.first = Math.min(changed.first, k);
      changed.end = k + 1;
    }
    return changed;
  }

  /** Whether every part knows the encodings that a row at that time hangs on. */
  private isKnown(time: number): boolean {
    return this.parts.every(({ axis, source }) => {
      const { left, right } = positionAt(axis, time);
      return source.known[left] === 1 && source.known[right] === 1;
    });
  }

  private scaleRows(first: number, end: number, affine: Affine): void {
    const from = first * this.nParameters;
    const to = end * this.nParameters;
    scale(this.projected.subarray(from, to), affine, this.scaled.subarray(from, to));
  }

  private scaleAll(): void {
    const { scaling } = this.currentMapping;
    const affine = scaling.method === "per-track" ? fitToTrack(scaling, this.knownRows()) : scaling;
    this.scaleRows(0, this.rowAxis.count, affine);
    this.runs = [];
    this.updateRuns({ first: 0, end: this.rowAxis.count });
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
      if (old && (changed.first >= old.end || changed.end <= first)) run.computedTick = old.computedTick;
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
    return { first, end, startSeconds, endSeconds, firstTick, endTick, computedTick: firstTick, base: null };
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
    const nNumbers = (this.tickAt(this.durationSeconds) + 1) * this.nParameters;
    if (this.smoothed.length !== nNumbers) {
      this.smoothed = new Float64Array(nNumbers);
      this.travelled = new Float64Array(nNumbers);
    }
    this.runs = this.runs.map(({ first, end }) => this.createRun(first, end));
  }

  /** Smooth and integrate up to the tick before `endTick`. */
  private computeTicks(run: Run, endTick: number): void {
    const n = this.nParameters;
    const { smoothed, travelled } = this;
    const { tickSeconds } = this.currentTime;
    const wholeTick = pastWeights(this.currentTime, tickSeconds);
    for (let tick = run.computedTick; tick < endTick; tick++) {
      const time = tick * tickSeconds;
      const position = this.positionAt(time);
      const isFirst = tick === run.firstTick;
      const elapsed = isFirst ? time - run.startSeconds : tickSeconds;
      const weights = isFirst ? pastWeights(this.currentTime, elapsed) : wholeTick;
      for (let parameter = 0; parameter < n; parameter++) {
        const i = tick * n + parameter;
        const past = isFirst ? this.startValue(run, parameter) : (smoothed[i - n] ?? 0);
        const value = smooth(past, interpolate(this.scaled, n, position, parameter), weights);
        smoothed[i] = value;
        const before = isFirst ? 0 : (travelled[i - n] ?? 0);
        travelled[i] = before + ((past + value) / 2) * Math.max(0, elapsed);
      }
    }
    run.computedTick = Math.max(run.computedTick, endTick);
  }

  /** A run's travel at its start. */
  private baseOf(run: Run): Float64Array {
    if (run.base === null) {
      const before = this.runs.findLast((candidate) => candidate.end <= run.first);
      const gapSeconds = run.startSeconds - (before?.endSeconds ?? 0);
      run.base = (before ? this.endTravel(before) : new Float64Array(this.nParameters)).map(
        (travel) => travel + REST * gapSeconds,
      );
    }
    return run.base;
  }

  /** A run's travel at its end. */
  private endTravel(run: Run): Float64Array {
    this.computeTicks(run, run.endTick);
    const n = this.nParameters;
    const position = this.positionAt(run.endSeconds);
    const last = run.endTick - 1;
    const known = last >= run.firstTick;
    const elapsed = run.endSeconds - (known ? last * this.currentTime.tickSeconds : run.startSeconds);
    const weights = pastWeights(this.currentTime, elapsed);
    return this.baseOf(run).map((base, parameter) => {
      const past = known ? (this.smoothed[last * n + parameter] ?? 0) : this.startValue(run, parameter);
      const now = smooth(past, interpolate(this.scaled, n, position, parameter), weights);
      const travelled = known ? (this.travelled[last * n + parameter] ?? 0) : 0;
      return base + travelled + ((past + now) / 2) * Math.max(0, elapsed);
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
