import type { Random } from "./random";
import type { VisualFrame } from "./visual";

/**
 * What a song has been so far, as lights in space. Everything here is a function of one frame and its past: what is kept
 * from frame to frame is memory that the next frame overwrites.
 */

const N = 10;

/** Lights at most, the present moment included. Between half and all of them are shown. */
export const MOMENTS = 512;

/** The finest grid of times. Its step doubles whenever the song has outgrown the lights. */
const FINEST_STEP_SECONDS = 1 / 16;

/** One hears more than an instant: what was fades from the ear over about this long. */
const HEARING_SECONDS = 0.8;
/** Instants that make up what is heard now, and how far they are apart. */
const NOW_STEPS = 24;
const NOW_STEP_SECONDS = 0.1;

/** Moments younger than this, at the song's own pace, are still the present, and no memory of it. */
const PRESENT_SECONDS = 4;

/** A moment is there as far as the music moved in it: wholly from this share of the song's own pace on. */
const WHOLE_PACE = 0.4;

/** Which times are shown: multiples of `stepSeconds`; those with odd numbers only by `oddShare` (1: wholly). */
export interface Grid {
  stepSeconds: number;
  /** Of times up to the present moment. */
  count: number;
  oddShare: number;
}

/**
 * The grid of times for a song that is `timeSeconds` old. It never moves: as the song grows, every second time fades,
 * until only the others are left, which then are the next grid, twice as wide.
 */
export function writeGrid(out: Grid, timeSeconds: number): void {
  const time = Math.max(0, timeSeconds);
  // Two places are left for the present moment and for time 0.
  const level = Math.max(0, Math.log2(time / (FINEST_STEP_SECONDS * ((MOMENTS - 2) / 2))));
  const whole = Math.floor(level);
  out.stepSeconds = FINEST_STEP_SECONDS * 2 ** whole;
  out.oddShare = 1 - (level - whole);
  out.count = Math.floor(time / out.stepSeconds) + 1;
}

export interface MomentsOptions {
  /** Parameters that place a moment across, up and deep. */
  readonly places: readonly [number, number, number];
  /** The parameter that colours a moment. */
  readonly hue: number;
  /** The parameter that a light's size remembers. */
  readonly size: number;
  readonly random: Random;
}

/**
 * Where each number leads in space: three numbers for each. The three axes are turned a little, and what places nothing
 * has a say, too: moments that only sound different end up a little aside.
 */
export function createProjection({ places, hue, random }: MomentsOptions): Float32Array {
  const projection = new Float32Array(3 * N);
  const turn = random() - 0.5;
  const tilt = 0.8 * (random() - 0.5);
  projection.set([Math.cos(turn), 0, -Math.sin(turn)], 3 * places[0]);
  projection.set(
    [Math.sin(tilt) * Math.sin(turn), Math.cos(tilt), Math.sin(tilt) * Math.cos(turn)],
    3 * places[1],
  );
  projection.set(
    [Math.cos(tilt) * Math.sin(turn), -Math.sin(tilt), Math.cos(tilt) * Math.cos(turn)],
    3 * places[2],
  );
  for (let p = 0; p < N; p++) {
    if (p === hue || places.includes(p)) continue;
    const angle = 2 * Math.PI * random();
    const up = 2 * random() - 1;
    const flat = Math.sqrt(1 - up * up);
    projection.set([0.3 * flat * Math.cos(angle), 0.3 * up, 0.3 * flat * Math.sin(angle)], 3 * p);
  }
  return projection;
}

/** A song's moments, to be read after `listen`. The last one is the present. */
export class Moments {
  readonly grid: Grid = { stepSeconds: FINEST_STEP_SECONDS, count: 0, oddShare: 1 };
  /** For each moment its place and how much the light is there at all; from `4 * MOMENTS` on, hue relative to the
   *  song's, likeness to now in [0, 1], remembered size in [0, 1], age in musical seconds; from `8 * MOMENTS` on, the beat
   *  that has reached it (memory-map.ts). Ready to be a texture of three rows. */
  readonly data = new Float32Array(12 * MOMENTS);
  /** How far each light has neither faded for good nor still to be born, whatever the music did there. */
  readonly stay = new Float32Array(MOMENTS);
  count = 0;
  /** How far moments lie apart, in units of space. */
  spread = 0;
  /** The sum of all likenesses. */
  likeness = 0;

  /** Musical seconds per second of the song so far. */
  #pace = 1;
  readonly #options: MomentsOptions;
  readonly #projection: Float32Array;
  /** How much each number counts when moments are compared. */
  readonly #telling = new Float32Array(N).fill(0.25);
  readonly #places = this.data.subarray(0, 4 * MOMENTS);
  readonly #looks = this.data.subarray(4 * MOMENTS, 8 * MOMENTS);
  readonly #values = new Float32Array(N);
  readonly #heard = new Float32Array(N * MOMENTS);
  readonly #means = new Float32Array(N);
  readonly #gains = new Float32Array(N);

  constructor(options: MomentsOptions) {
    this.#options = options;
    this.#projection = createProjection(options);
    // What places and colours changes slowly, like a song's sections: it tells most about a moment.
    for (const p of [...options.places, options.hue]) this.#telling[p] = 1;
  }

  /**
   * @param reach how unlike a moment may be and still be recognised, in [0, 1]
   * @param scale how far apart unlike moments lie
   */
  listen(frame: VisualFrame, reach: number, scale: number): void {
    this.#pace = frame.musicSeconds > 0 ? frame.musicSeconds / frame.timeSeconds : 1;
    writeGrid(this.grid, frame.timeSeconds);
    this.count = this.grid.count + 1;
    this.#hearNow(frame);
    this.#hearPast(frame);
    this.#summarise();
    this.#place(scale);
    this.#recognise(reach);
  }

  #hearNow(frame: VisualFrame): void {
    const first = N * this.grid.count;
    const heard = this.#heard.subarray(first, first + N).fill(0);
    const keeps = Math.exp(-NOW_STEP_SECONDS / HEARING_SECONDS);
    let share = (1 - keeps) / (1 - keeps ** NOW_STEPS);
    for (let step = 0; step < NOW_STEPS; step++) {
      const time = Math.max(0, frame.timeSeconds - step * NOW_STEP_SECONDS);
      if (step > 0) frame.recall(time, this.#values);
      else for (let p = 0; p < N; p++) this.#values[p] = frame.parameters[p] ?? 0;
      for (let p = 0; p < N; p++) heard[p] = (heard[p] ?? 0) + share * (this.#values[p] ?? 0);
      share *= keeps;
    }
    this.#looks[4 * this.grid.count + 2] = frame.parameters[this.#options.size] ?? 0;
    this.#looks[4 * this.grid.count + 3] = 0;
    this.#places[4 * this.grid.count + 3] = 1;
    this.stay[this.grid.count] = 1;
  }

  #hearPast(frame: VisualFrame): void {
    const { stepSeconds, count, oddShare } = this.grid;
    const now = Math.max(0, frame.timeSeconds);
    // A time that has half faded is half listened to, so that nothing jumps when it is gone.
    const evenKeeps = Math.exp((-(2 - oddShare) * stepSeconds) / HEARING_SECONDS);
    const oddKeeps = Math.exp((-oddShare * stepSeconds) / HEARING_SECONDS);
    const heard = this.#heard;
    let before = 0; // musical time, one moment and two moments ago
    let earlier = 0;
    for (let i = 0; i < count; i++) {
      frame.recall(i * stepSeconds, this.#values);
      const odd = i % 2 === 1;
      const keeps = i === 0 ? 0 : odd ? oddKeeps : evenKeeps;
      const music = frame.musicSecondsAt(i * stepSeconds);
      // What fades has no say any more in how far the music moved.
      const since = music - (odd ? before : earlier + (before - earlier) * oddShare);
      const usual = WHOLE_PACE * this.#pace * stepSeconds * (odd ? 1 : 2 - oddShare);
      const moved = i === 0 ? 1 : Math.min(1, Math.max(0, since) / usual);
      earlier = before;
      before = music;
      for (let p = 0; p < N; p++) {
        const value = this.#values[p] ?? 0;
        heard[N * i + p] = value + ((heard[N * (i - 1) + p] ?? value) - value) * keeps;
      }
      const born = Math.min(1, now / stepSeconds - i);
      const stays = (odd ? oddShare : 1) * born;
      this.#looks[4 * i + 2] = this.#values[this.#options.size] ?? 0;
      this.#looks[4 * i + 3] = Math.max(0, frame.musicSeconds - music);
      this.#places[4 * i + 3] = stays * moved;
      this.stay[i] = stays;
    }
    // The newest light comes off the present one, and then goes to its own place.
    const newest = N * (count - 1);
    const share = Math.min(1, now / stepSeconds - (count - 1));
    for (let p = 0; p < N; p++) {
      const present = heard[N * count + p] ?? 0;
      heard[newest + p] = present + ((heard[newest + p] ?? 0) - present) * share;
    }
  }

  /** What the song is like on the whole, and how much each number varies in it. */
  #summarise(): void {
    for (let p = 0; p < N; p++) {
      let sum = 0;
      let squares = 0;
      let weights = 0;
      for (let i = 0; i < this.count; i++) {
        const weight = this.#places[4 * i + 3] ?? 0;
        const value = this.#heard[N * i + p] ?? 0;
        weights += weight;
        sum += weight * value;
        squares += weight * value * value;
      }
      const mean = sum / weights;
      this.#means[p] = mean;
      // A song that varies little is looked at more closely, but noise is not blown up.
      this.#gains[p] = 1 / (0.09 + Math.sqrt(Math.max(0, squares / weights - mean * mean)));
    }
  }

  #place(scale: number): void {
    const { hue } = this.#options;
    let squares = 0;
    let weights = 0;
    for (let i = 0; i < this.count; i++) {
      let x = 0;
      let y = 0;
      let z = 0;
      for (let p = 0; p < N; p++) {
        const mean = this.#means[p] ?? 0;
        // Where the song as a whole lies shows, too, a little.
        const value = ((this.#heard[N * i + p] ?? 0) - mean) * (this.#gains[p] ?? 0) + 0.7 * (mean - 0.5);
        x += value * (this.#projection[3 * p] ?? 0);
        y += value * (this.#projection[3 * p + 1] ?? 0);
        z += value * (this.#projection[3 * p + 2] ?? 0);
      }
      const square = x * x + y * y + z * z;
      const nearer = 1 / Math.sqrt(1 + 0.12 * square); // rare moments stay in sight
      this.#places[4 * i] = scale * nearer * x;
      this.#places[4 * i + 1] = scale * nearer * y;
      this.#places[4 * i + 2] = scale * nearer * z;
      squares += (this.#places[4 * i + 3] ?? 0) * square * nearer * nearer;
      weights += this.#places[4 * i + 3] ?? 0;
      const hueMean = this.#means[hue] ?? 0;
      this.#looks[4 * i] =
        ((this.#heard[N * i + hue] ?? 0) - hueMean) * (this.#gains[hue] ?? 0) + 1.6 * (hueMean - 0.5);
    }
    this.spread = Math.sqrt(squares / weights);
  }

  /** How much each moment sounds like now, compared with how unlike the song's moments are to each other. */
  #recognise(reach: number): void {
    const present = N * this.grid.count;
    let sum = 0;
    let weights = 0;
    for (let i = 0; i < this.count; i++) {
      let distance = 0;
      for (let p = 0; p < N; p++) {
        const apart =
          ((this.#heard[N * i + p] ?? 0) - (this.#heard[present + p] ?? 0)) * (this.#gains[p] ?? 0);
        distance += (this.#telling[p] ?? 0) * apart * apart;
      }
      this.#looks[4 * i + 1] = distance;
      sum += (this.#places[4 * i + 3] ?? 0) * distance;
      weights += this.#places[4 * i + 3] ?? 0;
    }
    const alike = (0.05 + 0.2 * reach) * (sum / weights) + 0.12;
    this.likeness = 0;
    for (let i = 0; i < this.count; i++) {
      const past = Math.min(1, (this.#looks[4 * i + 3] ?? 0) / (this.#pace * PRESENT_SECONDS));
      const likeness = Math.exp(-(this.#looks[4 * i + 1] ?? 0) / alike) * past * past * past;
      this.#looks[4 * i + 1] = likeness;
      this.likeness += (this.#places[4 * i + 3] ?? 0) * likeness;
    }
  }
}
