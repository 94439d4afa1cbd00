/** How long a file really is, counted packet by packet without unpacking them. Loaded only where a header is in doubt. */
import { ALL_FORMATS, BlobSource, Input } from "mediabunny";

/** @returns null where the file cannot be read that way */
export async function countSeconds(blob: Blob): Promise<number | null> {
  const input = new Input({ source: new BlobSource(blob), formats: ALL_FORMATS });
  try {
    const track = await input.getPrimaryAudioTrack();
    const seconds = await track?.computeDuration();
    return seconds !== undefined && seconds > 0 ? seconds : null;
  } catch {
    return null; // a format that is not known here; the browser's decoder may know it
  } finally {
    input.dispose();
  }
}
