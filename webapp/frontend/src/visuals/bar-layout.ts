/** One bar's place on the picture, in CSS pixels from the top left corner. */
export interface BarPlace {
  /** Left edge. */
  readonly left: number;
  /** Right edge: `left` + width. */
  readonly right: number;
  /** The line on which the bar stands: `y` of its lower end. */
  readonly baseline: number;
  /** How far above the baseline a bar with parameter 1 ends. */
  readonly fullLength: number;
}

export const BAR_COUNT = 10;

/**
 * Where the ten bars stand in a picture of a size in CSS pixels while there is no pulse. Whole pixels, so that edges
 * are crisp.
 *
 * To measure a bar in a screenshot, take the column in its middle, `(left + right) / 2`, and walk up from the first
 * whole pixel above `baseline` for as long as the luma (0.2126 R + 0.7152 G + 0.0722 B of the 8-bit values) is at least
 * `LIT_LUMA`. The number of pixels walked (divided by the pixel ratio) is `parameter * fullLength`. Everything else
 * there (glass, halo, sparks, background) is darker.
 */
export function barLayout(width: number, height: number): BarPlace[] {
  const baseline = Math.round(height * 0.76);
  const fullLength = Math.round(height * 0.6);
  const usable = Math.min(width * 0.86, height * 1.75); // no wider than what reads as one group
  const pitch = Math.max(3, Math.floor(usable / (BAR_COUNT - 0.45)));
  const barWidth = Math.max(2, 2 * Math.round(pitch * 0.2) + (width % 2)); // even or odd as the width: exactly centred
  const left = Math.round((width - pitch * (BAR_COUNT - 1) - barWidth) / 2);
  return Array.from({ length: BAR_COUNT }, (_, index) => ({
    left: left + index * pitch,
    right: left + index * pitch + barWidth,
    baseline,
    fullLength,
  }));
}

/** A pixel of a bar's middle column is lit when its luma is at least this, of 255. */
export const LIT_LUMA = 140;
