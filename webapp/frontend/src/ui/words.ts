import { AnalysisError, BackendError } from "../analysis/client";
import { DecodeError } from "../analysis/decode";
import { TrackTooShortError } from "../analysis/segments";
import { BundleError } from "../bundle";
import { LiveInputError } from "../live/live-input-error";
import { unexpected } from "../unexpected";
import { FetchError } from "./sources";

/** Said once: nothing else suffers from it. */
export const STORAGE_FULL =
  "The browser has no room left, so results of the analysis are not kept. Free some disk space to have known tracks ready at once.";

/** Why a track could not be opened, for people. */
export function explainTrack(error: unknown, title: string): string {
  if (error instanceof FetchError) return error.message;
  if (error instanceof DecodeError || error instanceof TrackTooShortError)
    return `“${title}”: ${error.message}`;
  return unexpected(`Opening “${title}” failed`, error, "Try again, or choose another file.");
}

/** Why live sound cannot be heard, for people. */
export function explainLive(error: unknown): string {
  if (error instanceof LiveInputError) return error.message;
  return unexpected("Starting live sound failed", error, "Try again.");
}

/** Why a model could not be used or goes on no longer, for people. */
export function explainModel(error: unknown): string {
  if (error instanceof BundleError) {
    return `The model could not be loaded because ${error.field} ${error.problem}. ${error.remedy}`;
  }
  // These say everything themselves; the last two are about the open track, which may have to be decoded again.
  const isComplete =
    error instanceof AnalysisError ||
    error instanceof BackendError ||
    error instanceof DecodeError ||
    error instanceof FetchError;
  return isComplete ? error.message : unexpected("Starting the model failed", error, "Try again.");
}

/** The whole of it, for the few who ask. */
export function technicalReason(error: unknown): string {
  if (error instanceof BackendError) return `${error.name}: ${error.attempts.join("; ")}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
