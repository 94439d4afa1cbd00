import type { TrackScaling } from "../bundle";

/** What `per-track` takes as a repetition: nothing moved by so much of the training's range. */
const REPEATED = 1e-4;

/** `clip(gain * y + offset, 0, 1)`, one gain and offset for each parameter. */
export interface Affine {
  readonly gain: readonly number[];
  readonly offset: readonly number[];
}

/**
 * Projected rows -> visual parameters.
 *
 * @param rows shape [count, size], flattened; size is the number of parameters
 * @param out shape [count, size], flattened
 */
export function scale(rows: ArrayLike<number>, { gain, offset }: Affine, out: Float32Array): void {
  const size = gain.length;
  if (rows.length !== out.length || rows.length % size !== 0) {
    throw new RangeError(`Cannot scale ${rows.length} numbers into ${out.length}, ${size} at a time.`);
  }
  for (let i = 0; i < out.length; i++) {
    const parameter = i % size;
    const y = (gain[parameter] ?? 0) * (rows[i] ?? 0) + (offset[parameter] ?? 0);
    out[i] = Math.min(1, Math.max(0, y));
  }
}

/**
 * The gains and offsets that spread a track's percentiles over the whole range. Rows that repeat the one before do not
 * count: silence before or after the music would be its lowest percentile.
 *
 * @param rows what is known of the track, shape [count, size], flattened; where nothing is, the scaling's own count
 * @param columns the places in a row of what is fitted, ascending; the others keep the scaling's own
 */
export function fitToTrack(scaling: TrackScaling, rows: Float64Array, columns: readonly number[]): Affine {
  if (rows.length === 0) return scaling;
  const fitted = { gain: [...scaling.gain], offset: [...scaling.offset] };
  const counted = countedRows(rows, scaling, columns);
  const { length: size } = columns;
  const pooled = scaling.mode === "across" ? range(counted, scaling) : null;
  columns.forEach((parameter, i) => {
    const trained = scaling.gain[parameter] ?? 0;
    const [low, high] = pooled ?? range(column(counted, size, i), scaling);
    const most = scaling.maxBoost * Math.abs(trained);
    const gain = Math.sign(trained) * (high > low ? Math.min(1 / (high - low), most) : most);
    fitted.gain[parameter] = gain;
    fitted.offset[parameter] = 0.5 - (gain * (low + high)) / 2;
  });
  return fitted;
}

/** These columns of the rows that do not repeat the one before, shape [count, columns.length], flattened. */
function countedRows(rows: Float64Array, { gain }: TrackScaling, columns: readonly number[]): Float64Array {
  const size = gain.length;
  const counted = new Float64Array((rows.length / size) * columns.length);
  let end = 0;
  for (let start = 0; start < rows.length; start += size) {
    const moved = (i: number) =>
      Math.abs((gain[i] ?? 0) * ((rows[start + i] ?? NaN) - (rows[start - size + i] ?? NaN))) >= REPEATED;
    if (start > 0 && !columns.some(moved)) continue;
    for (const i of columns) counted[end++] = rows[start + i] ?? NaN;
  }
  return counted.subarray(0, end);
}

/**
 * A percentile of values, linear between two of them, as numpy's default.
 *
 * @param values at least one; their order is lost
 */
export function percentile(values: Float64Array, percent: number): number {
  const place = (percent / 100) * (values.length - 1);
  const left = Math.floor(place);
  const a = select(values, left);
  if (place === left) return a;
  const b = values.subarray(left + 1).reduce((least, value) => Math.min(least, value), Infinity);
  return a + (place - left) * (b - a);
}

/**
 * The value that would stand at `place` if they were sorted, by Hoare's FIND: a long track is fitted again with every
 * block, and sorting it takes several times as long. Afterwards it stands there, and no smaller ones behind it.
 */
function select(values: Float64Array, place: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1] ?? NaN;
    let i = low;
    let j = high;
    while (i <= j) {
      while ((values[i] ?? NaN) < pivot) i++;
      while ((values[j] ?? NaN) > pivot) j--;
      if (i > j) break;
      const value = values[i] ?? NaN;
      values[i++] = values[j] ?? NaN;
      values[j--] = value;
    }
    if (place <= j) high = j;
    else if (place >= i) low = i;
    else break;
  }
  return values[place] ?? NaN;
}

function range(values: Float64Array, { percentiles }: TrackScaling): [low: number, high: number] {
  return [percentile(values, percentiles[0]), percentile(values, percentiles[1])];
}

function column(rows: Float64Array, size: number, index: number): Float64Array {
  const values = new Float64Array(rows.length / size);
  for (let k = 0; k < values.length; k++) values[k] = rows[k * size + index] ?? NaN;
  return values;
}
