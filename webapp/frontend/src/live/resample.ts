/** Zero crossings of the kernel to either side: with these and Blackman's window the slope is a sixth of the band wide. */
const CROSSINGS = 32;
/** Middle of the slope, in shares of the lower rate's band: what lies above the band must not come back as something else. */
const CUTOFF = 0.92;

/**
 * A stream of samples at another rate, for browsers that let a live input sound only at the device's own (Firefox).
 * A windowed sinc, tabulated for the phases at which output samples can lie between input samples.
 */
export class Resampler {
  /** Input samples per output sample, as a fraction in lowest terms. */
  readonly #up: number;
  readonly #down: number;
  /** Input samples that one output sample is made of; odd. */
  readonly #taps: number;
  /** Shape [up, taps], flattened. */
  readonly #kernel: Float32Array;
  /** Input that is still needed; it begins with zeros for what came before the stream. */
  #pending: Float32Array;
  /** Of the next output sample: the phase. Its first input sample is the first of `#pending`. */
  #phase = 0;

  constructor(fromHz: number, toHz: number) {
    if (![fromHz, toHz].every((rate) => Number.isInteger(rate) && rate > 0)) {
      throw new RangeError(`Cannot resample from ${fromHz} Hz to ${toHz} Hz: rates are positive integers.`);
    }
    const divisor = greatestCommonDivisor(fromHz, toHz);
    this.#up = toHz / divisor;
    this.#down = fromHz / divisor;
    const cutoff = CUTOFF * Math.min(1, toHz / fromHz); // in shares of the input's band
    const reach = Math.ceil(CROSSINGS / cutoff);
    this.#taps = 2 * reach + 1;
    this.#kernel = new Float32Array(this.#up * this.#taps);
    for (let phase = 0; phase < this.#up; phase++) {
      const row = this.#kernel.subarray(phase * this.#taps, (phase + 1) * this.#taps);
      let sum = 0;
      for (let i = 0; i < row.length; i++) {
        const distance = i - reach - phase / this.#up;
        const value = sinc(cutoff * distance) * blackman(distance / (reach + 1));
        row[i] = value;
        sum += value;
      }
      for (let i = 0; i < row.length; i++) row[i] = (row[i] ?? 0) / sum; // a constant stays what it is
    }
    this.#pending = new Float32Array(reach);
  }

  /** @returns what can be told by now: output lags behind by half a kernel */
  push(samples: Float32Array): Float32Array {
    const input = new Float32Array(this.#pending.length + samples.length);
    input.set(this.#pending);
    input.set(samples, this.#pending.length);
    const output = new Float32Array(Math.ceil(((input.length + 1) * this.#up) / this.#down));
    let nOutput = 0;
    let start = 0;
    while (start + this.#taps <= input.length) {
      const row = this.#phase * this.#taps;
      let sum = 0;
      for (let i = 0; i < this.#taps; i++) sum += (input[start + i] ?? 0) * (this.#kernel[row + i] ?? 0);
      output[nOutput++] = sum;
      this.#phase += this.#down;
      start += Math.floor(this.#phase / this.#up);
      this.#phase %= this.#up;
    }
    this.#pending = input.slice(start);
    return output.subarray(0, nOutput);
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** @param x in -1 ... 1 */
function blackman(x: number): number {
  return 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}
