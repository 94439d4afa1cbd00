import { signal } from "@preact/signals";
import type { Encoder } from "../bundle";
import {
  impressionSeconds,
  impressionSize,
  impressionsOf,
  meanOf,
  type Impression,
} from "../mapping/impression";
import type { EncodingBlock } from "../mapping/track";

/** What a speaker has said of the last seconds of something without end. */
export class LiveImpression implements Impression {
  readonly speaker: Encoder;
  /** The last ones, the newest at the end. */
  readonly #last: Float32Array[] = [];
  readonly #most: number;
  readonly #mean = signal<Float32Array | null>(null);

  constructor(speaker: Encoder) {
    this.speaker = speaker;
    this.#most = Math.max(1, Math.round(impressionSeconds(speaker) / speaker.stepSeconds));
  }

  /** Take in the next block of the speaker's encodings. */
  add(block: EncodingBlock): void {
    const size = impressionSize(this.speaker);
    const rows = impressionsOf(this.speaker, block);
    for (let i = 0; i < rows.length; i += size) this.#last.push(rows.subarray(i, i + size));
    this.#last.splice(0, this.#last.length - this.#most);
    this.#mean.value = meanOf(this.#last);
  }

  /** Of now, whatever the moment. Whoever asks within an effect or a component is told of changes. */
  at(): Float32Array | null {
    return this.#mean.value;
  }
}
