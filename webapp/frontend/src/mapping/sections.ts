/**
 * How a song is built, from encodings that there are anyway: where something new begins, and what returns.
 *
 * Boundaries are the peaks of Foote's novelty: a checkerboard with a Gaussian taper slides along the diagonal of the
 * self-similarity matrix and asks whether both sides resemble themselves more than each other (J. Foote, "Automatic
 * audio segmentation using a measure of audio novelty", Proc. IEEE ICME 2000). Only the band under the checkerboard is
 * ever computed. What lies between two boundaries is then grouped with what sounds like it.
 */
import type { TimeAxis } from "../analysis/segments";

export interface SectionsInput {
  /** Consecutive encodings of one encoder, the slowest one by preference; shape [axis.count, size], flattened. */
  readonly encodings: ArrayLike<number>;
  readonly size: number;
  readonly axis: TimeAxis;
  /** Length of the track: the first section starts at 0, the last one ends here. */
  readonly durationSeconds: number;
}

export interface Section {
  readonly startSeconds: number;
  readonly endSeconds: number;
  /** Sections that sound alike share it; counted from 0 in the order in which they appear first. */
  readonly label: number;
}

export interface Structure {
  /** In [0, 1] at every step of `axis`: how much what follows differs from what was. */
  readonly novelty: Float32Array;
  /** Coarser than that of the encodings: at most two steps a second. */
  readonly axis: TimeAxis;
  /** One after the other, without gaps; neighbours have different labels. */
  readonly sections: readonly Section[];
}

/** Sections last many seconds: finer steps would only cost time. */
const MIN_STEP_SECONDS = 0.5;
/** A long track is seen from further away: its sections are fewer, for the eye that reads them side by side. */
const SHORTEST_SHARE = 1 / 40;
const SHORTEST_SECONDS = [5, 15] as const;
const REACH_SHARE = 1 / 30;
const REACH_SECONDS = [4, 12] as const;
/** The taper's standard deviation, in shares of the checkerboard's reach to either side. */
const TAPER = 0.5;
/** A boundary stands out so far above its surroundings. Chance alone stays well below. */
const MIN_NOVELTY = 0.1;
const MIN_PROMINENCE = 0.06;
/** Sections whose means are closer than this are alike, in standard deviations of the whole track. */
const ALIKE_DISTANCE = 0.75;
/** What varies less than this, in shares of its size, does not vary: its rounding must not be taken for music. */
const CONSTANT = 1e-5;

/** @throws RangeError when the numbers do not fit the axis or are not finite */
export function findSections({ encodings, size, axis, durationSeconds }: SectionsInput): Structure {
  if (axis.count < 1 || size < 1 || encodings.length !== axis.count * size) {
    throw new RangeError(`${encodings.length} numbers are not ${axis.count} encodings of size ${size}.`);
  }
  const coarse = coarsen(axis);
  const rows = standardise(average(encodings, size, axis.count, coarse.count), size);
  const rowsOf = (seconds: number) => Math.max(2, Math.round(seconds / coarse.stepSeconds));
  const reach = rowsOf(within(durationSeconds * REACH_SHARE, REACH_SECONDS));
  const shortest = rowsOf(within(durationSeconds * SHORTEST_SHARE, SHORTEST_SECONDS));
  const novelty = noveltyOf(rows, size, reach);
  const starts = [0, ...peaks(novelty, shortest)];
  const labels = alike(means(rows, size, starts));
  const first = starts.flatMap((_, i) => (i === 0 || labels[i] !== labels[i - 1] ? [i] : []));
  // Row k is the middle of what it sums up, so a boundary lies half a step before the row that begins the new.
  const secondsOf = (i: number) => {
    const row = starts[i] ?? 0;
    if (row === 0) return 0;
    return Math.min(durationSeconds, coarse.firstSeconds + (row - 0.5) * coarse.stepSeconds);
  };
  const sections = first.map((i, k) => {
    const next = first[k + 1];
    return {
      startSeconds: secondsOf(i),
      endSeconds: next === undefined ? durationSeconds : secondsOf(next),
      label: labels[i] ?? 0,
    };
  });
  return { novelty, axis: coarse, sections };
}

/** The section that a moment lies in; the last one from its start on, without end. */
export function sectionAt(sections: readonly Section[], seconds: number): number {
  return Math.max(
    0,
    sections.findLastIndex(({ startSeconds }) => startSeconds <= seconds),
  );
}

function within(value: number, [low, high]: readonly [number, number]): number {
  return Math.min(high, Math.max(low, value));
}

function coarsen({ firstSeconds, stepSeconds, count }: TimeAxis): TimeAxis {
  const factor = Math.max(1, Math.ceil(MIN_STEP_SECONDS / stepSeconds - 1e-6));
  return {
    firstSeconds: firstSeconds + ((factor - 1) / 2) * stepSeconds,
    stepSeconds: factor * stepSeconds,
    // What is left over at the end joins the last row.
    count: Math.max(1, Math.floor(count / factor)),
  };
}

function average(encodings: ArrayLike<number>, size: number, count: number, nRows: number): Float64Array {
  const rows = new Float64Array(nRows * size);
  const factor = Math.max(1, Math.floor(count / nRows));
  for (let row = 0; row < nRows; row++) {
    const first = row * factor;
    const end = row === nRows - 1 ? count : first + factor;
    for (let i = first * size; i < end * size; i++) {
      const value = encodings[i] ?? NaN;
      if (!Number.isFinite(value)) throw new RangeError("An encoding holds numbers that are not finite.");
      const at = row * size + (i % size);
      rows[at] = (rows[at] ?? 0) + value / (end - first);
    }
  }
  return rows;
}

/** Every component with mean 0 and standard deviation 1 over the track, in place; constant ones become 0. */
function standardise(rows: Float64Array, size: number): Float64Array {
  const n = rows.length / size;
  for (let component = 0; component < size; component++) {
    let sum = 0;
    for (let i = component; i < rows.length; i += size) sum += rows[i] ?? 0;
    const mean = sum / n;
    let squares = 0;
    for (let i = component; i < rows.length; i += size) squares += ((rows[i] ?? 0) - mean) ** 2;
    const deviation = Math.sqrt(squares / n);
    const gain = deviation > CONSTANT * Math.abs(mean) ? 1 / deviation : 0;
    for (let i = component; i < rows.length; i += size) rows[i] = gain * ((rows[i] ?? 0) - mean);
  }
  return rows;
}

/**
 * Foote's novelty at every row, with the row as the first of what is new: the mean similarity within either side less
 * that between them, each pair weighted by the taper. Similarity is a Gaussian of the distance, so that one outlier
 * counts no more than any other stranger. Near the ends the sides are as long as there are rows; pairs of a row with
 * itself do not count, or short sides would resemble themselves for that alone.
 */
function noveltyOf(rows: Float64Array, size: number, reach: number): Float32Array {
  const n = rows.length / size;
  const width = 2 * reach;
  // band[i * width + lag] is the similarity of the rows i and i + lag.
  const band = new Float32Array(n * width);
  for (let i = 0; i < n; i++) {
    for (let lag = 1; lag < width && i + lag < n; lag++) {
      let distance = 0;
      for (let c = 0; c < size; c++) {
        distance += ((rows[i * size + c] ?? 0) - (rows[(i + lag) * size + c] ?? 0)) ** 2;
      }
      band[i * width + lag] = Math.exp(-distance / (2 * size));
    }
  }
  // The taper of row `at + k` and of its mirror image `at - 1 - k`.
  const taper = Float64Array.from({ length: reach }, (_, k) =>
    Math.exp(-0.5 * ((k + 0.5) / (TAPER * reach)) ** 2),
  );
  const novelty = new Float32Array(n);
  for (let at = 2; at < n - 1; at++) {
    let like = 0;
    let likeWeight = 0;
    let cross = 0;
    let crossWeight = 0;
    const first = Math.max(0, at - reach);
    const end = Math.min(n, at + reach);
    for (let i = first; i < end; i++) {
      const a = taper[i < at ? at - 1 - i : i - at] ?? 0;
      for (let j = i + 1; j < end; j++) {
        const weight = a * (taper[j < at ? at - 1 - j : j - at] ?? 0);
        const similarity = weight * (band[i * width + j - i] ?? 0);
        if (i < at === j < at) {
          like += similarity;
          likeWeight += weight;
        } else {
          cross += similarity;
          crossWeight += weight;
        }
      }
    }
    novelty[at] = Math.min(1, Math.max(0, like / likeWeight - cross / crossWeight));
  }
  return novelty;
}

/** The rows of peaks, the highest ones first to claim the `distance` around them; in order of time. */
function peaks(novelty: Float32Array, distance: number): number[] {
  const n = novelty.length;
  const candidates: number[] = [];
  for (let i = distance; i <= n - distance; i++) {
    const height = novelty[i] ?? 0;
    // Of a plateau the first one.
    if (height <= (novelty[i - 1] ?? 0) || height < (novelty[i + 1] ?? 0)) continue;
    if (height >= MIN_NOVELTY && prominence(novelty, i) >= MIN_PROMINENCE) candidates.push(i);
  }
  const chosen: number[] = [];
  for (const i of candidates.toSorted((a, b) => (novelty[b] ?? 0) - (novelty[a] ?? 0) || a - b)) {
    if (chosen.every((other) => Math.abs(other - i) >= distance)) chosen.push(i);
  }
  return chosen.sort((a, b) => a - b);
}

/** How far one has to climb down from a peak before one can reach a higher one. */
function prominence(novelty: Float32Array, peak: number): number {
  const height = novelty[peak] ?? 0;
  const lowest = (direction: 1 | -1) => {
    let low = height;
    for (let i = peak + direction; i >= 0 && i < novelty.length; i += direction) {
      const value = novelty[i] ?? 0;
      if (value > height) break;
      low = Math.min(low, value);
    }
    return low;
  };
  return height - Math.max(lowest(-1), lowest(1));
}

function means(rows: Float64Array, size: number, starts: readonly number[]): Float64Array[] {
  const n = rows.length / size;
  return starts.map((start, i) => {
    const end = starts[i + 1] ?? n;
    const mean = new Float64Array(size);
    for (let k = start * size; k < end * size; k++) {
      const component = k % size;
      mean[component] = (mean[component] ?? 0) + (rows[k] ?? 0) / (end - start);
    }
    return mean;
  });
}

/**
 * Join the two nearest groups while they are nearer than `ALIKE_DISTANCE`, by the mean distance between their members.
 *
 * @returns each point's group, counted from 0 by first appearance
 */
function alike(points: readonly Float64Array[]): number[] {
  const distances = points.map((a) => points.map((b) => distanceBetween(a, b)));
  let groups = points.map((_, i) => [i]);
  for (;;) {
    let nearest: { a: number[]; b: number[]; distance: number } | null = null;
    for (const [i, a] of groups.entries()) {
      for (const b of groups.slice(i + 1)) {
        const pairs = a.flatMap((p) => b.map((q) => distances[p]?.[q] ?? Infinity));
        const distance = pairs.reduce((sum, d) => sum + d, 0) / pairs.length;
        if (distance < (nearest?.distance ?? ALIKE_DISTANCE)) nearest = { a, b, distance };
      }
    }
    if (!nearest) break;
    const { a, b } = nearest;
    groups = groups.filter((group) => group !== b).map((group) => (group === a ? [...a, ...b] : group));
  }
  // A group keeps the place of its first member: `a` comes before `b`.
  const labels = Array<number>(points.length).fill(0);
  groups.forEach((group, label) => {
    for (const point of group) labels[point] = label;
  });
  return labels;
}

/** Root mean square over the components. */
function distanceBetween(a: Float64Array, b: Float64Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - (b[i] ?? 0)) ** 2, 0) / a.length);
}
