import { describe, expect, it } from "vitest";
import { commandFor, type FocusKind } from "./keyboard";

const press = (key: string, change = {}) => ({
  key,
  ctrlKey: false,
  altKey: false,
  metaKey: false,
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

  it("does not flicker while a key is held, but seeks on", () => {
    expect(commandFor(press(" ", { repeat: true }), "page")).toBeNull();
    expect(commandFor(press("f", { repeat: true }), "page")).toBeNull();
    expect(commandFor(press("ArrowRight", { repeat: true }), "page")).not.toBeNull();
  });
});
