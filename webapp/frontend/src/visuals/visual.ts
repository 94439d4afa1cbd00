/** What every visual declares and does. Visuals know nothing of audio, models or the page. */

/** How many inputs every visual has. */
export const N_PARAMETERS = 10;

/** One of a visual's ten inputs, in the order in which the visual expects them. */
export interface VisualParameter {
  /** Stable identifier, kebab-case. */
  readonly name: string;
  /** What a person reads. */
  readonly label: string;
  /** Where the parameter rests before there is music, in [0, 1]. */
  readonly rest: number;
  /** Meant to move with the beat; otherwise it chooses the look, and had better change slowly. */
  readonly moves: boolean;
}

export interface VisualOptions {
  /** The visual creates its WebGL context on this canvas and owns it until `dispose`. */
  readonly canvas: HTMLCanvasElement;
  /** Same seed, parameters and time: same picture. */
  readonly seed: number;
}

/** What a visual sees of the music at one moment. */
export interface VisualFrame {
  /** Playback time in seconds. What moves by itself moves in `musicSeconds`. */
  readonly timeSeconds: number;
  /**
   * Musical time: seconds that rush at onsets, the more the louder the music is, and stand still in silence. Averaged
   * over a song they run slightly faster than the clock.
   */
  readonly musicSeconds: number;
  /** In [0, 1]: how strong the last onset was. Rises at once and dies away within half a second. */
  readonly pulse: number;
  /** Ten values in [0, 1]. */
  readonly parameters: ArrayLike<number>;
  /**
   * Each parameter's integral over musical time, from the track's start to the moment that is shown (all ones for ten
   * musical seconds: ten).
   * What a parameter drives as a *speed* reads its position here, so that no visual keeps a history of its own.
   */
  readonly travel: ArrayLike<number>;
  /** Write the ten values of another moment of this music to `out`, for pictures that remember: `timeSeconds` or before. */
  recall(timeSeconds: number, out: Float32Array): void;
  /** The pulse of another moment of this music, for what travels through a picture: `timeSeconds` or before. */
  pulseAt(timeSeconds: number): number;
  /** The musical time of another moment of this music: `timeSeconds` or before. */
  musicSecondsAt(timeSeconds: number): number;
}

export interface Visual {
  /** Fit the drawing buffer to a size in CSS pixels. */
  resize(width: number, height: number, pixelRatio: number): void;
  /** Draw one frame: a pure function of `frame`, the seed and the size, whatever was drawn before. */
  render(frame: VisualFrame): void;
  /** Free every GPU resource. The canvas can be used again afterwards. */
  dispose(): void;
}

export interface VisualDefinition {
  readonly id: string;
  readonly title: string;
  /** One sentence for the chooser. */
  readonly description: string;
  readonly parameters: readonly VisualParameter[];
  /** @throws WebGlUnavailableError when the browser gives no WebGL 2 context */
  create(options: VisualOptions): Visual;
}

export class WebGlUnavailableError extends Error {
  constructor() {
    super("This browser gives the page no WebGL 2 context, so it cannot draw.");
    this.name = "WebGlUnavailableError";
  }
}
