/** Linear-light sRGB, three channels, not clipped. Written in place so that a frame allocates nothing. */
export type LinearRgb = Float32Array | number[];

const TAU = 2 * Math.PI;

/**
 * Björn Ottosson's OKLCH (https://bottosson.github.io/posts/oklab/) to linear sRGB, written to `out[offset..offset+2]`.
 * @returns whether the colour exists on an sRGB screen
 */
function convert(out: LinearRgb, offset: number, lightness: number, chroma: number, hue: number): boolean {
  const a = chroma * Math.cos(hue * TAU);
  const b = chroma * Math.sin(hue * TAU);
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short;
  const green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short;
  const blue = -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short;
  out[offset] = Math.max(0, red);
  out[offset + 1] = Math.max(0, green);
  out[offset + 2] = Math.max(0, blue);
  return Math.min(red, green, blue) >= -1e-4 && Math.max(red, green, blue) <= 1 + 1e-4;
}

/**
 * A perceptual colour as linear-light sRGB, with no more chroma than the screen can show.
 * @param lightness 0 (black) to 1 (white)
 * @param chroma 0 (grey) to about 0.3
 * @param hue in turns: 0.08 red, 0.3 yellow, 0.4 green, 0.54 cyan, 0.73 blue, 0.91 magenta
 */
export function writeOklch(
  out: LinearRgb,
  offset: number,
  lightness: number,
  chroma: number,
  hue: number,
): void {
  if (convert(out, offset, lightness, chroma, hue)) return;
  let low = 0;
  let high = chroma;
  for (let step = 0; step < 8; step++) {
    const middle = (low + high) / 2;
    if (convert(out, offset, lightness, middle, hue)) low = middle;
    else high = middle;
  }
  convert(out, offset, lightness, low, hue);
}
