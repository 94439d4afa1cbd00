/** A track's outline for the eye: how loud every stretch of it is. */

export interface Waveform {
  /** Each column's largest deviation from zero. */
  readonly peak: Float32Array;
  /** Each column's root mean square. */
  readonly rms: Float32Array;
}

/** No screen shows more columns to advantage. */
export const MAX_COLUMNS = 2000;
/** A few milliseconds of work. */
const CHUNK_SAMPLES = 2 ** 20;

export interface WaveformOptions {
  /** Lets the page do something else between two chunks. */
  readonly pause: () => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Measure a track without holding up the page for longer than a frame.
 *
 * @param nColumns 1 to 2000
 */
export async function measureWaveform(
  pcm: Float32Array,
  nColumns: number,
  { pause, signal }: WaveformOptions,
): Promise<Waveform> {
  const measuring = measure(pcm, nColumns);
  for (;;) {
    signal.throwIfAborted();
    const { done, value } = measuring.next();
    if (done) return value;
    await pause();
  }
}

/**
 * Every sample counts for exactly one column. A track with fewer samples than columns leaves columns silent.
 *
 * @yields after each chunk
 * @throws RangeError for a number of columns that is not offered
 */
export function* measure(pcm: Float32Array, nColumns: number): Generator<undefined, Waveform, undefined> {
  if (!Number.isInteger(nColumns) || nColumns < 1 || nColumns > MAX_COLUMNS) {
    throw new RangeError(`A waveform has 1 to ${MAX_COLUMNS} columns, not ${nColumns}.`);
  }
  const peak = new Float32Array(nColumns);
  const rms = new Float32Array(nColumns);
  let sinceYield = 0;
  for (let column = 0; column < nColumns; column++) {
    const first = Math.floor((column * pcm.length) / nColumns);
    const end = Math.floor(((column + 1) * pcm.length) / nColumns);
    let most = 0;
    let squares = 0;
    for (let chunk = first; chunk < end; chunk += CHUNK_SAMPLES) {
      const stop = Math.min(end, chunk + CHUNK_SAMPLES);
      for (let i = chunk; i < stop; i++) {
        // Only what is out of bounds has no number; a broken decoder's NaN fails both comparisons and adds nothing.
        const size = Math.abs(pcm[i] ?? 0);
        if (size > most) most = size;
        if (size >= 0) squares += size * size;
      }
      sinceYield += stop - chunk;
      if (sinceYield >= CHUNK_SAMPLES) {
        sinceYield = 0;
        yield;
      }
    }
    peak[column] = most;
    rms[column] = end > first ? Math.sqrt(squares / (end - first)) : 0;
  }
  return { peak, rms };
}
