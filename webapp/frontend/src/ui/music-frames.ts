import type { MotionAt } from "../mapping/track";
import { N_PARAMETERS, type VisualFrame } from "../visuals/visual";
import { applyWires, type Wire } from "./wiring";

/** Where the ten numbers come from: a `ParameterTrack`, or what is heard live. */
export interface MusicSource {
  at(seconds: number, parameters: Float32Array, travel: Float32Array): void;
  motionAt(seconds: number): MotionAt;
}

const STILL: MotionAt = { musicSeconds: 0, pulse: 0 };

/** What visuals see of music: the model's numbers, led through the wires. Every frame uses the same arrays. */
export class MusicFrames {
  readonly #parameters = new Float32Array(N_PARAMETERS);
  readonly #travel = new Float32Array(N_PARAMETERS);
  readonly #recalledTravel = new Float32Array(N_PARAMETERS);
  #source: MusicSource | null = null;
  #wires: readonly Wire[] = [];
  #motion = STILL;

  /** Listen at a moment. */
  hear(source: MusicSource, wires: readonly Wire[], seconds: number): VisualFrame {
    this.#source = source;
    this.#wires = wires;
    this.#motion = this.#write(seconds, this.#parameters, this.#travel);
    return this.hold(seconds);
  }

  /** What was heard last, for pictures that have to stand still while time goes on. */
  hold(seconds: number): VisualFrame {
    return {
      timeSeconds: seconds,
      ...this.#motion,
      parameters: this.#parameters,
      travel: this.#travel,
      recall: (moment, out) => {
        this.#write(moment, out, this.#recalledTravel);
      },
      pulseAt: (moment) => this.#source?.motionAt(moment).pulse ?? 0,
      musicSecondsAt: (moment) => this.#source?.motionAt(moment).musicSeconds ?? 0,
    };
  }

  #write(seconds: number, parameters: Float32Array, travel: Float32Array): MotionAt {
    if (!this.#source) return STILL;
    const motion = this.#source.motionAt(seconds);
    this.#source.at(seconds, parameters, travel);
    applyWires(this.#wires, parameters, travel, motion.musicSeconds);
    return motion;
  }
}
