import type { VisualFrame } from "./visual";

/** How many moments of the past an echo knows, the present among them. */
const MOMENTS = 24;
/** From one of them to the one before. About as fine as the parameters are smooth. */
const STEP_SECONDS = 0.05;

/**
 * What up to four parameters were during the last second, for waves that set out on a beat and run through the picture.
 *
 * The present is the first of the moments. All others lie at multiples of the step, so that a wave keeps its shape
 * while it travels: moments at a fixed distance from the present would cut it at another place in every frame.
 */
export class Echo {
  readonly uniforms = {
    /** Four values for each moment, the present first. */
    uEcho: { value: new Float32Array(4 * MOMENTS) },
    /** From the present back to the second moment, in steps. */
    uEchoHead: { value: 0 },
  };
  readonly #all = new Float32Array(10);

  /** @param parameters the indices of at most four of a visual's parameters */
  constructor(private readonly parameters: readonly number[]) {}

  listen(frame: VisualFrame): void {
    const latest = Math.floor(frame.timeSeconds / STEP_SECONDS);
    this.uniforms.uEchoHead.value = frame.timeSeconds / STEP_SECONDS - latest;
    this.#write(0, frame.parameters);
    for (let moment = 1; moment < MOMENTS; moment++) {
      frame.recall(Math.max(0, (latest + 1 - moment) * STEP_SECONDS), this.#all);
      this.#write(moment, this.#all);
    }
  }

  /** One of the parameters some time ago. */
  at(channel: number, secondsAgo: number): number {
    const head = this.uniforms.uEchoHead.value;
    const steps = secondsAgo / STEP_SECONDS;
    const place = Math.min(Math.max(steps < head ? steps / head : 1 + steps - head, 0), MOMENTS - 1.001);
    const moment = Math.floor(place);
    const values = this.uniforms.uEcho.value;
    const newer = values[4 * moment + channel] ?? 0;
    const older = values[4 * moment + 4 + channel] ?? 0;
    return newer + (older - newer) * (place - moment);
  }

  #write(moment: number, values: ArrayLike<number>): void {
    for (let channel = 0; channel < this.parameters.length; channel++) {
      this.uniforms.uEcho.value[4 * moment + channel] = values[this.parameters[channel] ?? 0] ?? 0;
    }
  }
}

/** The same for shaders: `vec4 echo(float secondsAgo)`. */
export const ECHO = /* glsl */ `
uniform vec4 uEcho[${MOMENTS}];
uniform float uEchoHead;
vec4 echo(float secondsAgo) {
  float steps = secondsAgo / ${STEP_SECONDS};
  float place = clamp(steps < uEchoHead ? steps / uEchoHead : 1.0 + steps - uEchoHead, 0.0, ${MOMENTS - 1.001});
  int moment = int(place);
  return mix(uEcho[moment], uEcho[moment + 1], place - float(moment));
}
`;
