/** Sound that cannot be heard, with the reason and a way on, in words for people. */
import { ToldError } from "../told-error";

export type LiveInputKind = "microphone" | "tab";

export type LiveInputFailure =
  /** The person or the system said no, or nothing was chosen. */
  | "denied"
  | "no-device"
  /** Another program holds the device. */
  | "busy"
  /** A tab or screen was shared without its sound. */
  | "no-audio"
  /** The browser cannot do it at all. */
  | "unsupported"
  /** It could if the page came over https. */
  | "insecure"
  /** The browser waits for a press on something. */
  | "blocked"
  | "failed";

export class LiveInputError extends ToldError {
  readonly reason: LiveInputFailure;

  constructor(reason: LiveInputFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LiveInputError";
    this.reason = reason;
  }
}

/** What the browser threw, by what it means for a person. */
export function explainFailure(kind: LiveInputKind, error: unknown): LiveInputError {
  if (error instanceof LiveInputError) return error;
  const cause = { cause: error };
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return new LiveInputError(
        "denied",
        kind === "microphone"
          ? "The browser was not allowed to listen to the microphone. Allow it for this page (the icon in the address " +
              "bar), then try again."
          : "Nothing was shared. Try again and choose a tab; if no choice appears, the system forbids the browser " +
              "to share the screen.",
        cause,
      );
    case "NotFoundError":
    case "OverconstrainedError":
      return new LiveInputError(
        "no-device",
        kind === "microphone"
          ? "There is no microphone. Connect one, then try again."
          : "There is nothing to share. Open the tab with the music, then try again.",
        cause,
      );
    case "NotReadableError":
    case "AbortError":
      return new LiveInputError(
        "busy",
        kind === "microphone"
          ? "The microphone gives no sound: another program may be using it. Close that program, then try again."
          : "The system did not hand over the sound. Try again, or choose another tab.",
        cause,
      );
    case "InvalidStateError":
      return blocked(cause);
    case "NotSupportedError":
    case "TypeError":
      return unsupported(kind, cause);
    default: {
      const detail = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
      return new LiveInputError(
        "failed",
        `The ${kind === "microphone" ? "microphone" : "tab's sound"} could not be opened (${detail}). Try again.`,
        cause,
      );
    }
  }
}

export function unsupported(kind: LiveInputKind, options?: ErrorOptions): LiveInputError {
  return new LiveInputError(
    "unsupported",
    kind === "microphone"
      ? "This browser does not support microphone input. Use another browser, or play a file."
      : "This browser does not support tab audio. Use Chrome or Edge on a computer, or the microphone.",
    options,
  );
}

export function insecure(kind: LiveInputKind): LiveInputError {
  const what = kind === "microphone" ? "Microphone access" : "Tab audio";
  return new LiveInputError("insecure", `${what} needs HTTPS or localhost.`);
}

export function blocked(options?: ErrorOptions): LiveInputError {
  return new LiveInputError("blocked", "The browser blocked the sound. Press the button again.", options);
}

export function noAudioShared(): LiveInputError {
  return new LiveInputError(
    "no-audio",
    "What you chose was shared without its sound. Try again, choose a tab, and tick “Share tab audio”, " +
      "or “Share system audio” for a whole screen.",
  );
}
