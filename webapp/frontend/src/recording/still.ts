import type { VisualFrame } from "../visuals/visual";
import { RecordingError } from "./error";
import { OffscreenPicture, type CreateVisual } from "./picture";
import type { PictureSize } from "./plan";

export interface StillOptions {
  readonly create: CreateVisual;
  readonly frame: VisualFrame;
  readonly size: PictureSize;
}

/**
 * Draw a frame anew at the wanted size, as a PNG.
 *
 * @throws RecordingError when the device cannot draw that many pixels
 * @throws WebGlUnavailableError when the browser gives no WebGL 2 context
 */
export async function takeStill({ create, frame, size }: StillOptions): Promise<Blob> {
  const picture = new OffscreenPicture(create, size);
  try {
    picture.draw(frame);
    const blob = await new Promise<Blob | null>((resolve) => picture.canvas.toBlob(resolve, "image/png"));
    if (blob) return blob;
    throw new RecordingError(
      "too-large",
      `The browser could not make a picture of ${size.width} x ${size.height} pixels. Choose a smaller one.`,
    );
  } finally {
    picture.dispose();
  }
}
