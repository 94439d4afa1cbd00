import { describe, expect, it } from "vitest";
import { commandFor, type FocusKind } from "./keyboard";

const press = (key: string, change = {}) => ({
  key,
  code: "",
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  shiftKey: false,
  repeat: false,
  ...change,
});

describe("commandFor", () => {
  it.each<[string, FocusKind, unknown]>([
    [" ", "page", { kind: "toggle-play" }],
    [" ", "seek", { kind: "toggle-play" }],
    [" ", "button", null],
    [" ", "text", null],
    [" ", "slider", { kind: "toggle-play" }],
    [" ", "radio", null],
    ["Enter", "button", null],
    ["ArrowLeft", "page", { kind: "seek-by", seconds: -5 }],
    ["ArrowRight", "button", { kind: "seek-by", seconds: 5 }],
    ["ArrowRight", "text", null],
    ["ArrowRight", "slider", null],
    ["ArrowUp", "slider", null],
    ["ArrowUp", "radio", null],
    ["ArrowUp", "page", { kind: "volume-by", amount: 0.05 }],
    ["ArrowDown", "button", { kind: "volume-by", amount: -0.05 }],
    ["ArrowUp", "seek", { kind: "seek-by", seconds: 5 }],
    ["PageDown", "seek", { kind: "seek-by", seconds: -30 }],
    ["PageDown", "page", null],
    ["PageUp", "slider", null],
    ["Home", "seek", null],
    ["End", "slider", null],
    ["f", "page", { kind: "toggle-full-screen" }],
    ["F", "button", { kind: "toggle-full-screen" }],
    ["f", "text", null],
    ["f", "slider", { kind: "toggle-full-screen" }],
    ["l", "slider", { kind: "toggle-lock" }],
    ["m", "radio", { kind: "toggle-mute" }],
    ["n", "slider", { kind: "step-visual", by: 1 }],
    ["2", "slider", { kind: "choose-mapping", place: 1 }],
    ["m", "seek", { kind: "toggle-mute" }],
    ["n", "page", { kind: "step-visual", by: 1 }],
    ["P", "button", { kind: "step-visual", by: -1 }],
    ["1", "page", { kind: "choose-mapping", place: 0 }],
    ["9", "button", { kind: "choose-mapping", place: 8 }],
    ["1", "text", null],
    ["0", "page", null],
    ["l", "page", { kind: "toggle-lock" }],
    ["?", "page", { kind: "show-keys" }],
    ["?", "text", null],
    ["?", "slider", { kind: "show-keys" }],
    ["Escape", "text", { kind: "close-panel" }],
    ["x", "page", null],
  ])("%j with focus on %s", (key, focus, command) => {
    expect(commandFor(press(key), focus)).toEqual(command);
  });

  it.each<[string, string, unknown]>([
    ["а", "KeyF", { kind: "toggle-full-screen" }], // Russian
    ["Д", "KeyL", { kind: "toggle-lock" }],
    ["ь", "KeyM", { kind: "toggle-mute" }],
    ["ν", "KeyN", { kind: "step-visual", by: 1 }], // Greek
    ["פ", "KeyP", { kind: "step-visual", by: -1 }], // Hebrew
    ["ㄹ", "KeyF", { kind: "toggle-full-screen" }], // Korean
    ["\u0e37", "KeyN", { kind: "step-visual", by: 1 }], // Thai: a vowel above its consonant
    ["\u093f", "KeyF", { kind: "toggle-full-screen" }], // Devanagari
    ["٣", "Digit3", { kind: "choose-mapping", place: 2 }], // Arabic
    ["ф", "KeyA", null],
    ["б", "Comma", null],
    // A Latin keyboard says which letter it means: Dvorak writes N where others have L.
    ["n", "KeyL", { kind: "step-visual", by: 1 }],
    ["é", "Digit2", null],
    ["ł", "KeyL", null],
  ])("takes %s on the key %s for what it writes there in Latin", (key, code, command) => {
    expect(commandFor(press(key, { code }), "page")).toEqual(command);
  });

  it("leaves the browser's own combinations alone", () => {
    for (const modifier of ["ctrlKey", "altKey", "metaKey"]) {
      expect(commandFor(press("f", { [modifier]: true }), "page")).toBeNull();
    }
  });

  it("goes to other tracks with shift", () => {
    const shifted = (key: string, focus: FocusKind = "page", change = {}) =>
      commandFor(press(key, { shiftKey: true, ...change }), focus);
    expect(shifted("ArrowRight")).toEqual({ kind: "step-track", by: 1 });
    expect(shifted("ArrowLeft", "button")).toEqual({ kind: "step-track", by: -1 });
    expect(shifted("ArrowUp")).toBeNull();
    expect(shifted("ArrowRight", "seek")).toBeNull();
    expect(shifted("ArrowRight", "page", { repeat: true })).toBeNull();
    expect(shifted("N")).toEqual({ kind: "step-visual", by: 1 });
  });

  it("does not flicker while a key is held, but seeks on", () => {
    expect(commandFor(press(" ", { repeat: true }), "page")).toBeNull();
    expect(commandFor(press("f", { repeat: true }), "page")).toBeNull();
    expect(commandFor(press("ArrowRight", { repeat: true }), "page")).not.toBeNull();
  });
});
