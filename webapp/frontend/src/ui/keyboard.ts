/** Which key does what, as a pure function: the page's shortcuts step back where a control wants the key itself. */

export type Command =
  | { readonly kind: "toggle-play" }
  | { readonly kind: "seek-by"; readonly seconds: number }
  | { readonly kind: "volume-by"; readonly amount: number }
  | { readonly kind: "toggle-mute" }
  | { readonly kind: "toggle-full-screen" }
  | { readonly kind: "step-visual"; readonly by: 1 | -1 }
  | { readonly kind: "step-track"; readonly by: 1 | -1 }
  /** The model's mapping at that place, counted from 0. */
  | { readonly kind: "choose-mapping"; readonly place: number }
  | { readonly kind: "toggle-lock" }
  | { readonly kind: "show-keys" }
  | { readonly kind: "close-panel" };

/** What has the focus, as far as keys are concerned. */
export type FocusKind =
  /** Nothing, or something that takes no keys. */
  | "page"
  /** A button, link or checkbox: Space and Enter are its own. */
  | "button"
  /** The seek slider: arrows seek in our steps, as they do on the page. */
  | "seek"
  /** Any other slider: the keys that move it are its own. */
  | "slider"
  /** One of several choices: Space, Enter and the arrows are its own. */
  | "radio"
  /** What is typed into, or finds its options by their letters: every key is its own. */
  | "text";

export interface KeyPress {
  readonly key: string;
  /** Which key it is on the board, whatever is printed on it. */
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly repeat: boolean;
}

const SEEK_STEP_SECONDS = 5;
const SEEK_PAGE_SECONDS = 30;
const VOLUME_STEP = 0.05;

export function commandFor(press: KeyPress, focus: FocusKind): Command | null {
  if (press.ctrlKey || press.altKey || press.metaKey) return null;
  if (press.key === "Escape") return { kind: "close-panel" };
  if (isOwnKey(press.key, focus)) return null;
  if (press.shiftKey && press.key.startsWith("Arrow")) {
    if (press.repeat || focus === "seek") return null;
    if (press.key === "ArrowRight") return { kind: "step-track", by: 1 };
    return press.key === "ArrowLeft" ? { kind: "step-track", by: -1 } : null;
  }
  const sign = signOf(press);
  if (/^[1-9]$/.test(sign)) return { kind: "choose-mapping", place: Number(sign) - 1 };
  switch (press.key) {
    case " ":
      return press.repeat ? null : { kind: "toggle-play" };
    case "ArrowLeft":
      return { kind: "seek-by", seconds: -SEEK_STEP_SECONDS };
    case "ArrowRight":
      return { kind: "seek-by", seconds: SEEK_STEP_SECONDS };
    case "ArrowUp":
      return focus === "seek"
        ? { kind: "seek-by", seconds: SEEK_STEP_SECONDS }
        : { kind: "volume-by", amount: VOLUME_STEP };
    case "ArrowDown":
      return focus === "seek"
        ? { kind: "seek-by", seconds: -SEEK_STEP_SECONDS }
        : { kind: "volume-by", amount: -VOLUME_STEP };
    case "PageUp":
      return focus === "seek" ? { kind: "seek-by", seconds: SEEK_PAGE_SECONDS } : null;
    case "PageDown":
      return focus === "seek" ? { kind: "seek-by", seconds: -SEEK_PAGE_SECONDS } : null;
    default:
      return press.repeat ? null : commandForSign(sign);
  }
}

/** Whether the control that has the focus does something with the key itself. */
function isOwnKey(key: string, focus: FocusKind): boolean {
  const activates = key === " " || key === "Enter";
  const isArrow = key.startsWith("Arrow");
  switch (focus) {
    case "text":
      return true;
    case "button":
      return activates;
    case "radio":
      return activates || isArrow;
    case "slider":
      return isArrow || ["Home", "End", "PageUp", "PageDown"].includes(key);
    case "seek":
    case "page":
      return false;
  }
}

/**
 * The letter, digit or sign that was typed, in lower case. Where the keyboard writes another script, it is what the key
 * writes on a Latin one: Cyrillic А is F.
 */
function signOf({ key, code }: KeyPress): string {
  const isForeign = /^[\p{L}\p{M}\p{N}]$/u.test(key) && !/^[\p{Script=Latin}0-9]$/u.test(key);
  const sign = isForeign ? (/^(?:Key|Digit)(.)$/.exec(code)?.[1] ?? key) : key;
  return sign.toLowerCase();
}

/** What must not happen again and again while a key is held. */
function commandForSign(sign: string): Command | null {
  switch (sign) {
    case "f":
      return { kind: "toggle-full-screen" };
    case "m":
      return { kind: "toggle-mute" };
    case "n":
      return { kind: "step-visual", by: 1 };
    case "p":
      return { kind: "step-visual", by: -1 };
    case "l":
      return { kind: "toggle-lock" };
    case "?":
      return { kind: "show-keys" };
    default:
      return null;
  }
}

export function focusKind(element: Element | null): FocusKind {
  if (!element) return "page";
  if (element.closest("[data-seek]")) return "seek";
  if (element.closest("input[type=range]")) return "slider";
  if (element.closest("input[type=radio]")) return "radio";
  if (element.closest("button, a[href], summary, input:is([type=checkbox], [type=file])")) return "button";
  return element.closest("input, select, textarea, [contenteditable]") ? "text" : "page";
}

/** For the help text. */
export const SHORTCUTS: readonly (readonly [keys: string, effect: string])[] = [
  ["Space", "play or pause; so does a click on the picture"],
  ["← →", "5 seconds back or on"],
  ["⇧ ← →", "the track before or after"],
  ["↑ ↓", "louder or quieter"],
  ["M", "mute"],
  ["N P", "the next or the previous picture"],
  ["1 … 9", "one of the model’s mappings"],
  ["F", "full screen; so does a double click"],
  ["L", "lock the page: only the picture, and no key or click counts until L unlocks it"],
  ["?", "these keys"],
  ["Esc", "close the settings, leave full screen"],
];
