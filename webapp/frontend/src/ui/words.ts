import { BackendError } from "../analysis/client";
import { DecodeError } from "../analysis/decode";
import { TrackTooShortError } from "../analysis/segments";
import { BundleError } from "../bundle";
import { FetchError } from "./sources";

/** Why a track could not be opened, for people. */
export function explainTrack(error: unknown, title: string): string {
  if (error instanceof FetchError) return error.message;
  if (error instanceof DecodeError || error instanceof TrackTooShortError)
    return `“${title}”: ${error.message}`;
  return `“${title}” could not be opened (${detail(error)}). Try another file.`;
}

/** Why a model could not be used, for people. */
export function explainModel(error: unknown): string {
  if (error instanceof BundleError) return `The model was refused: ${error.message}`;
  if (error instanceof BackendError) {
    return "In this browser the model gives other numbers than where it was trained, so it is not used.";
  }
  return `The model could not be started (${detail(error)}). Reload the page to try again.`;
}

/** The whole of it, for the few who ask. */
export function technicalReason(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function detail(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
}
