/** Frames of a canvas as raw bytes: RGB, row by row from the top. */

export interface Shot {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  /** Frame `k` of the clip is its moment `k / framesPerSecond`. */
  readonly first: number;
  readonly count: number;
  /** Of these, every so many is kept. */
  readonly every: number;
}

/** Copy the frame that was just drawn. */
export function readPixels(gl: WebGL2RenderingContext, width: number, height: number, out: Uint8Array): void {
  const rgba = new Uint8Array(4 * width * height);
  gl.bindFramebuffer(gl.READ_FRAMEBUFFER, null);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  for (let y = 0; y < height; y++) {
    const from = 4 * width * (height - 1 - y);
    copyRgb(rgba.subarray(from, from + 4 * width), out.subarray(3 * width * y));
  }
}

export function copyRgb(rgba: ArrayLike<number>, out: Uint8Array): void {
  for (let i = 0, j = 0; i < rgba.length; i += 4) {
    for (let channel = 0; channel < 3; channel++) out[j++] = rgba[i + channel] ?? 0;
  }
}

/** What crosses from the page to Node. */
export function inBase64(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve((reader.result as string).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error ?? new Error("The frames could not be read."));
    reader.readAsDataURL(new Blob([bytes]));
  });
}
