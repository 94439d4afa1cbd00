import type { Mapping } from "../bundle";
import type { TimeAxis } from "../analysis/segments";
import { interpolate, positionAt } from "./interpolate";
import { scale } from "./scale";
import { pastWeight, smooth } from "./smooth";

/** Consecutive encodings of a track. */
export interface EncodingBlock {
  /** Index of the first one. */
  readonly first: number;
  readonly count: number;
  /** Shape [count, size], flattened. */
  readonly encodings: Float32Array;
  readonly size: number;
}

/** What every parameter is where nothing is known yet. */
const REST = 0.5;

export interface ParameterTrackOptions {
  readonly axis: TimeAxis;
  /** Length of the track: the last encoding holds until there. */
  readonly durationSeconds: number;
  readonly mapping: Mapping;
  readonly smoothing: { readonly retention: number; readonly tickSeconds: number };
}

/** A stretch of the track without missing encodings, and its smoothed parameters on the tick grid. */
interface Run {
  /** Encodings `first ... end - 1`. */
  readonly first: number;
  readonly end: number;
  readonly startSeconds: number;
  readonly endSeconds: number;
  /** Ticks `firstTick ... endTick - 1` lie in the run and are computed. */
  readonly firstTick: number;
  endTick: number;
  /** Travel at `startSeconds`, shape [nParameters]: all before it, missing stretches at rest. */
  base: Float64Array;
}

/**
 * The visual parameters of one track as a function of playback time: scaled, interpolated, smoothed, integrated.
 *
 * The same encodings, mapping, retention and time give the same parameters, however the blocks came in, however often
 * and in whatever order one asks. Smoothing starts from rest at the beginning of a run of known encodings: the track's
 * start, or after a seek the place from which the analysis went on, until the gap before it is closed.
 *
 * Between two ticks the average is taken over the part of a tick that has passed, so it is continuous, and without
 * smoothing it is the interpolated value itself.
 */
export class ParameterTrack {
  readonly axis: TimeAxis;
  readonly durationSeconds: number;
  readonly nParameters: number;
  private readonly tickSeconds: number;
  private currentMapping: Mapping;
  private currentRetention: number;
  private currentOrder: readonly number[];
  /** Shape [axis.count, nParameters], flattened; zeros where nothing has come in. */
  private readonly encodings: Float32Array;
  private readonly scaled: Float32Array;
  /** Shape [number of ticks, nParameters], flattened: the smoothed parameters at `tick * tickSeconds`. */
  private readonly smoothed: Float32Array;
  /** As `smoothed`: their integral since the start of the run that holds the tick. */
  private readonly travelled: Float64Array;
  /** In order of time, not touching one another. */
  private runs: Run[] = [];

  constructor({ axis, durationSeconds, mapping, smoothing }: ParameterTrackOptions) {
    if (axis.count < 1) throw new RangeError("A track without encodings has no parameters.");
    const lastSeconds = axis.firstSeconds + (axis.count - 1) * axis.stepSeconds;
    this.axis = axis;
    this.durationSeconds = Math.max(durationSeconds, lastSeconds);
    this.nParameters = mapping.scaling.gain.length;
    this.tickSeconds = smoothing.tickSeconds;
    this.currentMapping = mapping;
    this.currentRetention = checkRetention(smoothing.retention);
    this.currentOrder = Array.from({ length: this.nParameters }, (_, i) => i);
    const nTicks = Math.floor(this.durationSeconds / this.tickSeconds + 1e-9) + 1;
    this.encodings = new Float32Array(axis.count * this.nParameters);
    this.scaled = new Float32Array(axis.count * this.nParameters);
    this.smoothed = new Float32Array(nTicks * this.nParameters);
    this.travelled = new Float64Array(nTicks * this.nParameters);
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
    this.currentMapping = mapping;
    for (const { first, end } of this.runs) this.scaleRows(first, end);
    this.recompute();
  }

  /** Share of the past that smoothing keeps per tick, in [0, 1]; a new one counts at once for the whole track. */
  get retention(): number {
    return this.currentRetention;
  }

  set retention(retention: number) {
    this.currentRetention = checkRetention(retention);
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
   * @throws RangeError when it does not fit the track
   */
  add(block: EncodingBlock): void {
    const { first, count, encodings, size } = block;
    if (size !== this.nParameters) {
      throw new RangeError(`Encodings of size ${size} do not fit ${this.nParameters} parameters.`);
    }
    if (first < 0 || count < 1 || first + count > this.axis.count || encodings.length !== count * size) {
      throw new RangeError(
        `A block of ${count} encodings from ${first} on (${encodings.length} numbers) does not fit a track of ` +
          `${this.axis.count}.`,
      );
    }
    this.encodings.set(encodings, first * size);
    this.scaleRows(first, first + count);

    const end = first + count;
    const touching = this.runs.filter((run) => run.end >= first && run.first <= end);
    const merged = this.createRun(
      Math.min(first, ...touching.map((run) => run.first)),
      Math.max(end, ...touching.map((run) => run.end)),
    );
    // What the block only continues keeps its ticks; what lies after them hangs on them and is computed anew.
    const continued = touching.find((run) => run.first === merged.first && run.end <= first);
    merged.endTick = continued?.endTick ?? merged.firstTick;
    this.runs = [...this.runs.filter((run) => !touching.includes(run)), merged].sort(
      (a, b) => a.first - b.first,
    );
    this.computeTicks(merged);
    this.computeBases();
  }

  /** Whether the parameters at that time are known. */
  isReady(timeSeconds: number): boolean {
    return this.runAt(this.clamp(timeSeconds)) !== undefined;
  }

  /** Until when playback from that time on finds parameters; the time itself when it finds none there. */
  readyUntil(timeSeconds: number): number {
    return this.runAt(this.clamp(timeSeconds))?.endSeconds ?? timeSeconds;
  }

  /**
   * The parameters at a moment of playback.
   *
   * @param timeSeconds times before the start and after the end count as start and end
   * @param parameters result, shape [nParameters], in [0, 1]: 0.5 where nothing is known yet
   * @param travel result, shape [nParameters]: each parameter's integral since the track's start, in seconds;
   *   stretches that are not known yet count with 0.5
   */
  at(timeSeconds: number, parameters: Float32Array, travel: Float32Array): void {
    const time = this.clamp(timeSeconds);
    const run = this.runAt(time);
    if (run === undefined) {
      this.atGap(time, parameters, travel);
      return;
    }
    const n = this.nParameters;
    const position = positionAt(this.axis, time);
    const tick = Math.min(Math.floor(time / this.tickSeconds + 1e-9), run.endTick - 1);
    const elapsed = tick < run.firstTick ? time - run.startSeconds : time - tick * this.tickSeconds;
    const weight = pastWeight(this.currentRetention, this.tickSeconds, elapsed);
    for (let place = 0; place < n; place++) {
      const parameter = this.currentOrder[place] ?? place;
      const value = interpolate(this.scaled, n, position, parameter);
      const base = run.base[parameter] ?? 0;
      if (tick < run.firstTick) {
        // Between the run's start and its first tick.
        const start = this.startValue(run, parameter);
        parameters[place] = smooth(start, value, weight);
        travel[place] = base + ((start + (parameters[place] ?? 0)) / 2) * elapsed;
      } else {
        const past = this.smoothed[tick * n + parameter] ?? 0;
        parameters[place] = smooth(past, value, weight);
        travel[place] =
          base +
          (this.travelled[tick * n + parameter] ?? 0) +
          ((past + (parameters[place] ?? 0)) / 2) * Math.max(0, elapsed);
      }
    }
  }

  private atGap(time: number, parameters: Float32Array, travel: Float32Array): void {
    const before = this.runs.findLast((run) => run.endSeconds <= time);
    const since = time - (before?.endSeconds ?? 0);
    for (let place = 0; place < this.nParameters; place++) {
      const parameter = this.currentOrder[place] ?? place;
      parameters[place] = REST;
      travel[place] = (before === undefined ? 0 : this.endTravel(before, parameter)) + REST * since;
    }
  }

  private clamp(timeSeconds: number): number {
    return Math.min(this.durationSeconds, Math.max(0, timeSeconds));
  }

  private runAt(time: number): Run | undefined {
    return this.runs.find((run) => time >= run.startSeconds && time <= run.endSeconds);
  }

  private createRun(first: number, end: number): Run {
    const { axis, tickSeconds } = this;
    // Before the first and after the last encoding the value holds.
    const startSeconds = first === 0 ? 0 : axis.firstSeconds + first * axis.stepSeconds;
    const endSeconds =
      end === axis.count ? this.durationSeconds : axis.firstSeconds + (end - 1) * axis.stepSeconds;
    const firstTick = Math.ceil(startSeconds / tickSeconds - 1e-9);
    return {
      first,
      end,
      startSeconds,
      endSeconds,
      firstTick,
      endTick: firstTick,
      base: new Float64Array(this.nParameters),
    };
  }

  /** From where smoothing sets out: the value at the run's start. */
  private startValue(run: Run, parameter: number): number {
    return this.scaled[run.first * this.nParameters + parameter] ?? 0;
  }

  /** A run's travel at its end. */
  private endTravel(run: Run, parameter: number): number {
    const n = this.nParameters;
    const end = interpolate(this.scaled, n, positionAt(this.axis, run.endSeconds), parameter);
    const last = run.endTick - 1;
    const known = last >= run.firstTick;
    const past = known ? (this.smoothed[last * n + parameter] ?? 0) : this.startValue(run, parameter);
    const elapsed = run.endSeconds - (known ? last * this.tickSeconds : run.startSeconds);
    const now = smooth(past, end, pastWeight(this.currentRetention, this.tickSeconds, elapsed));
    const travelled = known ? (this.travelled[last * n + parameter] ?? 0) : 0;
    return (run.base[parameter] ?? 0) + travelled + ((past + now) / 2) * Math.max(0, elapsed);
  }

  private scaleRows(first: number, end: number): void {
    const from = first * this.nParameters;
    const to = end * this.nParameters;
    scale(this.encodings.subarray(from, to), this.currentMapping, this.scaled.subarray(from, to));
  }

  private recompute(): void {
    for (const run of this.runs) {
      run.endTick = run.firstTick;
      this.computeTicks(run);
    }
    this.computeBases();
  }

  /** Smooth and integrate from `run.endTick` to the run's end. */
  private computeTicks(run: Run): void {
    const n = this.nParameters;
    const { smoothed, travelled, tickSeconds } = this;
    const endTick = Math.floor(run.endSeconds / tickSeconds + 1e-9) + 1;
    for (let tick = run.endTick; tick < endTick; tick++) {
      const time = tick * tickSeconds;
      const position = positionAt(this.axis, time);
      const isFirst = tick === run.firstTick;
      const elapsed = isFirst ? time - run.startSeconds : tickSeconds;
      const weight = pastWeight(this.currentRetention, tickSeconds, elapsed);
      for (let parameter = 0; parameter < n; parameter++) {
        const i = tick * n + parameter;
        const past = isFirst ? this.startValue(run, parameter) : (smoothed[i - n] ?? 0);
        const value = smooth(past, interpolate(this.scaled, n, position, parameter), weight);
        smoothed[i] = value;
        const before = isFirst ? 0 : (travelled[i - n] ?? 0);
        travelled[i] = before + ((past + value) / 2) * Math.max(0, elapsed);
      }
    }
    run.endTick = Math.max(run.firstTick, endTick);
  }

  private computeBases(): void {
    let before: Run | undefined;
    for (const run of this.runs) {
      const gapSeconds = run.startSeconds - (before?.endSeconds ?? 0);
      for (let parameter = 0; parameter < this.nParameters; parameter++) {
        run.base[parameter] =
          (before === undefined ? 0 : this.endTravel(before, parameter)) + REST * gapSeconds;
      }
      before = run;
    }
  }
}

function checkRetention(retention: number): number {
  if (!(retention >= 0 && retention <= 1)) {
    throw new RangeError(`The retention is ${retention}, it must lie in 0 ... 1.`);
  }
  return retention;
}
