import { describe, expect, it } from "vitest";
import { explainFailure, LiveInputError, noAudioShared } from "./live-input-error";

describe("explainFailure", () => {
  it.each([
    ["NotAllowedError", "denied", /allow/i],
    ["NotFoundError", "no-device", /connect/i],
    ["OverconstrainedError", "no-device", /connect/i],
    ["NotReadableError", "busy", /another program/],
    ["InvalidStateError", "blocked", /Press the button/],
    ["NotSupportedError", "unsupported", /file/],
    ["DataError", "failed", /try again/i],
  ])("says what %s means and what to do", (name, reason, words) => {
    const error = explainFailure("microphone", new DOMException("odd", name));
    expect(error.reason).toBe(reason);
    expect(error.message).toMatch(words);
    expect(explainFailure("tab", new DOMException("odd", name)).message).not.toMatch(/connect one/i);
  });

  it("leaves what is explained already", () => {
    const error = noAudioShared();
    expect(explainFailure("tab", error)).toBe(error);
    expect(error.message).toMatch(/tick/);
    expect(explainFailure("tab", "odd")).toBeInstanceOf(LiveInputError);
  });
});
