import { N_PARAMETERS, type VisualFrame } from "../visuals/visual";
import { applyWires, type Wire } from "./wiring";

/** Where the ten numbers come from: a `ParameterTrack`, or what is heard live. */
export interface MusicSource {
  /** The moment of the music that is shown at that time. */
  shownSeconds(seconds: number): number;
  at(seconds: number, parameters: Float32Array, travel: Float32Array): void;
}

/** What visuals see of music: the model's numbers, led through the wires. Every frame uses the same arrays. */
export class MusicFrames {
  readonly #parameters = new Float32Array(N_PARAMETERS);
  readonly #travel = new Float32Array(N_PARAMETERS);
  readonly #recalledTravel = new Float32Array(N_PARAMETERS);
  #source: MusicSource | null = null;
  #wires: readonly Wire[] = [];

  /** Listen at a moment. */
  hear(source: MusicSource, wires: readonly Wire[], seconds: number): VisualFrame {
    this.#source = source;
    this.#wires = wires;
    this.#write(seconds, this.#parameters, this.#travel);
    return this.hold(seconds);
  }

  /** What was heard last, for pictures that have to stand still while time goes on. */
  hold(seconds: number): VisualFrame {
    return {
      timeSeconds: seconds,
      parameters: this.#parameters,
      travel: this.#travel,
      recall: (moment, out) => this.#write(moment, out, this.#recalledTravel),
    };
  }

  #write(seconds: number, parameters: Float32Array, travel: Float32Array): void {
    if (!this.#source) return;
    this.#source.at(seconds, parameters, travel);
    applyWires(this.#wires, parameters, travel, this.#source.shownSeconds(seconds));
  }
}
