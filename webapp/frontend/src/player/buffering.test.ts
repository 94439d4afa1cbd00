import { describe, expect, it } from "vitest";
import { mustWait } from "./buffering";

describe("mustWait", () => {
  it("needs a second ahead to start", () => {
    expect(mustWait(true, 0, 0.9, 30)).toBe(true);
    expect(mustWait(true, 0, 1, 30)).toBe(false);
  });

  it("goes on until it has almost caught up", () => {
    expect(mustWait(false, 5, 5.2, 30)).toBe(false);
    expect(mustWait(false, 5, 5.05, 30)).toBe(true);
  });

  it("asks for no more than there is", () => {
    expect(mustWait(true, 29.9, 30, 30)).toBe(false);
    expect(mustWait(true, 0, 0.4, 0.4)).toBe(false);
  });
});
