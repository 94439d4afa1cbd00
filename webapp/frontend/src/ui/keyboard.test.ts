import { describe, expect, it } from "vitest";
import { commandFor, type FocusKind } from "./keyboard";

const press = (key: string, change = {}) => ({
  key,
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
    [" ", "control", null],
    ["ArrowLeft", "page", { kind: "seek-by", seconds: -5 }],
    ["ArrowRight", "button", { kind: "seek-by", seconds: 5 }],
    ["ArrowRight", "control", null],
    ["ArrowUp", "page", { kind: "volume-by", amount: 0.05 }],
    ["ArrowDown", "button", { kind: "volume-by", amount: -0.05 }],
    ["ArrowUp", "seek", { kind: "seek-by", seconds: 5 }],
    ["PageDown", "seek", { kind: "seek-by", seconds: -30 }],
    ["PageDown", "page", null],
    ["Home", "seek", null],
    ["f", "page", { kind: "toggle-full-screen" }],
    ["F", "button", { kind: "toggle-full-screen" }],
    ["f", "control", null],
    ["m", "seek", { kind: "toggle-mute" }],
    ["n", "page", { kind: "step-visual", by: 1 }],
    ["P", "button", { kind: "step-visual", by: -1 }],
    ["1", "page", { kind: "choose-mapping", place: 0 }],
    ["9", "button", { kind: "choose-mapping", place: 8 }],
    ["1", "control", null],
    ["0", "page", null],
    ["l", "page", { kind: "toggle-lock" }],
    ["?", "page", { kind: "show-keys" }],
    ["?", "control", null],
    ["Escape", "control", { kind: "close-panel" }],
    ["x", "page", null],
  ])("%j with focus on %s", (key, focus, command) => {
    expect(commandFor(press(key), focus)).toEqual(command);
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
