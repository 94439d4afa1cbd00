/** Runs in the audio thread: posts what comes in, mixed down to one channel. It never writes to an output. */
import { Mixer } from "./mixer";

/** About 23 ms at 44.1 kHz: few messages, little delay. A multiple of what the browser renders at once. */
const CHUNK_SAMPLES = 1024;
const QUANTUM_SAMPLES = 128;

/** The part of `AudioWorkletGlobalScope` that is used here; TypeScript's libraries do not have it. */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

class Capture extends AudioWorkletProcessor {
  readonly #mixer = new Mixer(sampleRate);
  #chunk = new Float32Array(CHUNK_SAMPLES);
  #filled = 0;

  /** @returns whether to be called again */
  process([input = []]: readonly (readonly Float32Array[])[]): boolean {
    // Without channels (a source that is paused) it is silent, but time goes on.
    const nSamples = input[0]?.length ?? QUANTUM_SAMPLES;
    const end = this.#filled + nSamples;
    if (input.length > 0) this.#mixer.mix(input, this.#chunk.subarray(this.#filled, end));
    this.#filled = end;
    if (end >= CHUNK_SAMPLES) this.#post();
    return true;
  }

  #post(): void {
    const chunk = this.#chunk;
    this.port.postMessage(chunk, [chunk.buffer]);
    this.#chunk = new Float32Array(CHUNK_SAMPLES);
    this.#filled = 0;
  }
}

registerProcessor("tfdeepviz-capture", Capture);
