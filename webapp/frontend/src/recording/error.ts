export type RecordingFailure =
  | "unsupported"
  | "too-large"
  | "no-graphics"
  | "picture"
  | "no-space"
  | "not-written"
  | "not-loaded"
  | "encoder";

/** A recording that did not come about, with the reason and a sentence that a person understands. */
export class RecordingError extends Error {
  readonly reason: RecordingFailure;

  constructor(reason: RecordingFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RecordingError";
    this.reason = reason;
  }
}
