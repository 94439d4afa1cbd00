import { ONSETS, streamsOf } from "../analysis/onsets";
import { hopFramesOf } from "../analysis/segments";
import type { Bundle, Mapping, TimeSettings } from "../bundle";
import { RISE_MEMORY_SECONDS } from "../mapping/motion";
import { ParameterTrack, type EncodingBlock, type MotionAt } from "../mapping/track";
import { earlyEncodings } from "./ear";

/** A fitted scaling is fitted again when what is known has doubled, or has grown by this much. */
const MOST_BETWEEN_FITS_SECONDS = 15;
const FIRST_FIT_SECONDS = 0.5;

/** What has been heard can be recalled for so long at least; twice that is kept at most. */
export const RECALL_SECONDS = 120;

export interface TrackChoices {
  readonly mapping: Mapping;
  readonly time: TimeSettings;
  /** Which of the mapping's numbers stands at each place. */
  readonly order: readonly number[];
}

/** One encoder's encodings, without end. */
interface Axis {
  readonly name: string;
  readonly encodingSize: number;
  /** Time of encoding 0; the early ones before it have negative indices. */
  readonly firstSeconds: number;
  readonly stepSeconds: number;
  readonly nEarly: number;
  /** Index of the next encoding that is to come. */
  next: number;
  /** What holds where encodings are given up: the one that came last. */
  last: Float32Array | null;
}

/** A `ParameterTrack` over the last minutes of something without end, and what to add to its times and travel. */
interface Stage {
  readonly track: ParameterTrack;
  readonly startSeconds: number;
  /** By the mapping's number. */
  readonly travel: Float64Array;
  musicSeconds: number;
  /** By the encoder's name: the index that its first encoding has in all. */
  readonly firsts: ReadonlyMap<string, number>;
}

/**
 * The parameters of music that goes on and on. Times and travel count from the beginning; of the encodings only the
 * last minutes are kept, so older moments show what is the oldest by now.
 */
export class SlidingTrack {
  readonly #axes: readonly Axis[];
  #choices: TrackChoices;
  #stage: Stage;
  #nextFitSeconds = FIRST_FIT_SECONDS;

  /** @param lateSeconds by the encoder's name: how much later than it was its encoding is shown */
  constructor(
    bundle: Pick<Bundle, "audio" | "encoders">,
    choices: TrackChoices,
    lateSeconds: (encoder: string) => number = () => 0,
  ) {
    const { audio } = bundle;
    this.#axes = streamsOf(bundle).map((stream) => {
      const nEarly = earlyEncodings(audio, stream);
      return {
        name: stream.name,
        encodingSize: stream.encodingSize,
        firstSeconds: stream.timeOffsetSeconds + lateSeconds(stream.name),
        stepSeconds: (hopFramesOf(audio, stream.stepSeconds) * audio.hopLength) / audio.sampleRateHz,
        nEarly,
        next: 0 - nEarly,
        last: null,
      };
    });
    this.#choices = choices;
    this.#stage = this.#build(0, choices);
  }

  /** Until when something is known; 0 before there is anything. */
  get knownSeconds(): number {
    const { track, startSeconds } = this.#stage;
    return startSeconds + track.readyUntil(0);
  }

  /** Take other choices: they count at once for all that is kept. */
  choose(choices: TrackChoices): void {
    const { track } = this.#stage;
    const { mapping, time, order } = choices;
    // Both make the track compute anew, so they are touched only when they change.
    if (mapping.projection !== track.mapping.projection || mapping.scaling !== track.mapping.scaling) {
      track.mapping = mapping;
    }
    if (
      Object.entries(live(time)).some(([name, value]) => track.time[name as keyof TimeSettings] !== value)
    ) {
      track.time = live(time);
    }
    track.order = order;
    this.#choices = choices;
  }

  /**
   * Take in encodings that follow those that came before.
   *
   * @param skipped so many between those and these were given up: what was last holds instead
   */
  add(block: EncodingBlock, skipped = 0): void {
    const { encoder, first, count, encodings, size } = block;
    const axis = this.#axes.find(({ name }) => name === encoder);
    if (!axis || first !== axis.next + skipped) {
      throw new RangeError(`Encodings by "${encoder}" from ${first} on do not follow those that were there.`);
    }
    const end = first + count;
    const until = axis.firstSeconds + end * axis.stepSeconds;
    if (until >= this.#stage.startSeconds + 2 * RECALL_SECONDS) this.#slide(until);
    const { track, firsts } = this.#stage;
    const shift = firsts.get(encoder) ?? 0;
    const from = Math.max(axis.next, shift);
    if (from < first) {
      const held = axis.last ?? encodings.subarray(0, size);
      const filled = new Float32Array((first - from) * size);
      for (let i = 0; i < filled.length; i += size) filled.set(held, i);
      track.add({ encoder, first: from - shift, count: first - from, encodings: filled, size });
    }
    track.add({ encoder, first: first - shift, count, encodings, size });
    axis.next = end;
    axis.last =
      encoder === ONSETS ? heldOnset(axis.last, encodings, size, axis.stepSeconds) : encodings.slice(-size);
    const known = this.knownSeconds;
    if (known >= this.#nextFitSeconds && track.mapping.scaling.method === "per-track") {
      this.#nextFitSeconds = known + Math.min(known, MOST_BETWEEN_FITS_SECONDS);
      this.#goOn(() => track.fit());
    }
  }

  /** As `ParameterTrack.motionAt`; what is known last holds. */
  motionAt(seconds: number): MotionAt {
    const { track, startSeconds, musicSeconds: before } = this.#stage;
    // Of what is not kept any more, all that is known is how far it came.
    if (seconds < startSeconds) return { musicSeconds: (before * seconds) / startSeconds, pulse: 0 };
    const { musicSeconds, pulse } = track.motionAt(Math.min(seconds - startSeconds, track.readyUntil(0)));
    return { musicSeconds: before + musicSeconds, pulse };
  }

  /** As `ParameterTrack.at`; what is known last holds. */
  at(seconds: number, parameters: Float32Array, travel: Float32Array): void {
    const { track, startSeconds, travel: before } = this.#stage;
    track.at(Math.min(seconds - startSeconds, track.readyUntil(0)), parameters, travel);
    track.order.forEach((number, place) => {
      travel[place] = (travel[place] ?? 0) + (before[number] ?? 0);
    });
  }

  /** Go on with a track that begins later. */
  #slide(untilSeconds: number): void {
    const old = this.#stage;
    const stage = this.#build(
      (Math.floor(untilSeconds / RECALL_SECONDS) - 1) * RECALL_SECONDS,
      this.#choices,
    );
    for (const { name, encodingSize: size, next } of this.#axes) {
      const first = stage.firsts.get(name) ?? 0;
      const count = next - first;
      if (count <= 0) continue;
      const start = first - (old.firsts.get(name) ?? 0);
      const encodings = old.track.encodingsOf(name).encodings.slice(start * size, (start + count) * size);
      stage.track.add({ encoder: name, first: 0, count, encodings, size });
    }
    stage.track.fit();
    this.#goOn(() => {
      this.#stage = stage;
    });
  }

  /** Change what is known, in a way that may change its past: travel and musical time go on from where they are. */
  #goOn(change: () => void): void {
    const at = this.knownSeconds;
    const size = this.#stage.track.nParameters;
    const [parameters, then, now] = [new Float32Array(size), new Float32Array(size), new Float32Array(size)];
    this.at(at, parameters, then);
    const { musicSeconds } = this.motionAt(at);
    change();
    const stage = this.#stage;
    stage.musicSeconds += musicSeconds - this.motionAt(at).musicSeconds;
    this.at(at, parameters, now);
    stage.track.order.forEach((number, place) => {
      stage.travel[number] = (stage.travel[number] ?? 0) + (then[place] ?? 0) - (now[place] ?? 0);
    });
  }

  #build(startSeconds: number, { mapping, time, order }: TrackChoices): Stage {
    const firsts = new Map<string, number>();
    const encoders = this.#axes.map(({ name, encodingSize, firstSeconds, stepSeconds, nEarly }) => {
      const first = Math.max(-nEarly, Math.floor((startSeconds - firstSeconds) / stepSeconds));
      firsts.set(name, first);
      const from = firstSeconds + first * stepSeconds - startSeconds;
      const count = Math.floor((2 * RECALL_SECONDS - from) / stepSeconds) + 1;
      return { name, encodingSize, axis: { firstSeconds: from, stepSeconds, count } };
    });
    const durationSeconds = 2 * RECALL_SECONDS;
    const track = new ParameterTrack({
      encoders,
      durationSeconds,
      mapping,
      time: live(time),
      fitsItself: false,
    });
    track.order = order;
    return { track, startSeconds, travel: new Float64Array(track.nParameters), musicSeconds: 0, firsts };
  }
}

/** Nothing can be shown before it has been heard. */
function live(time: TimeSettings): TimeSettings {
  return { ...time, lookAheadSeconds: 0 };
}

/** What holds of onsets where they are given up. A rise that holds would be an onset without end: the usual one holds. */
function heldOnset(
  last: Float32Array | null,
  rows: Float32Array,
  size: number,
  stepSeconds: number,
): Float32Array {
  const held = rows.slice(-size);
  const share = 1 - Math.exp(-stepSeconds / RISE_MEMORY_SECONDS);
  let usual = last?.[0] ?? 0;
  for (let row = 0; row < rows.length; row += size) usual += share * ((rows[row] ?? 0) - usual);
  held[0] = usual;
  return held;
}
