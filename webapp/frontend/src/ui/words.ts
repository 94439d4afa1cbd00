import { BackendError } from "../analysis/client";
import { DecodeError } from "../analysis/decode";
import { TrackTooShortError } from "../analysis/segments";
import { BundleError } from "../bundle";
import { ToldError } from "../told-error";
import { unexpected } from "../unexpected";

/** Said once: nothing else suffers from it. */
export const STORAGE_FULL =
  "The browser’s storage is full, so the analysis of tracks is not kept. Free some disk space to have known tracks ready at once.";

/** Why a track could not be opened, for people. */
export function explainTrack(error: unknown, title: string): string {
  if (error instanceof DecodeError || error instanceof TrackTooShortError) {
    return `“${title}”: ${error.message}`;
  }
  return explain(error, `Opening “${title}” failed`, "Try again, or choose another file.");
}

/** Why live sound cannot be heard, for people. */
export function explainLive(error: unknown): string {
  return explain(error, "Starting live sound failed", "Try again.");
}

/** Why a model could not be used or goes on no longer, for people. */
export function explainModel(error: unknown): string {
  if (error instanceof BundleError) {
    return `The model could not be loaded because ${error.field} ${error.problem}. ${error.remedy}`;
  }
  return explain(error, "Starting the model failed", "Try again.");
}

/** An error that says everything needs nothing around it. */
function explain(error: unknown, what: string, remedy: string): string {
  return error instanceof ToldError ? error.message : unexpected(what, error, remedy);
}

/** The whole of it, for the few who ask. */
export function technicalReason(error: unknown): string {
  if (error instanceof BackendError) return `${error.name}: ${error.attempts.join("; ")}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
