import type * as mediabunny from "mediabunny";
import { RecordingError } from "./error";

export type Muxer = typeof mediabunny;

/** Loaded when somebody records: those who only watch don't wait for it. */
export async function loadMuxer(): Promise<Muxer> {
  try {
    return await import("mediabunny");
  } catch (error) {
    throw new RecordingError(
      "not-loaded",
      "The part of the page that writes videos cannot be loaded. Check the connection, then reload the page.",
      { cause: error },
    );
  }
}
