import { describe, expect, it, vi } from "vitest";
import { FrameLoop, Scope } from "./scope";

describe("Scope", () => {
  it("gives everything back once, the newest first", () => {
    const order: string[] = [];
    const scope = new Scope();
    scope.own(() => order.push("first"));
    const release = scope.own(() => order.push("second"));
    release();
    release();
    scope.own(() => order.push("third"));
    scope.dispose();
    scope.dispose();
    expect(order).toEqual(["second", "third", "first"]);
  });

  it("takes nothing on after its end", () => {
    const scope = new Scope();
    scope.dispose();
    const dispose = vi.fn();
    scope.own(dispose);
    expect(dispose).toHaveBeenCalledOnce();
  });

  it("ends timers", () => {
    vi.useFakeTimers();
    const scope = new Scope();
    const late = vi.fn();
    const soon = vi.fn();
    scope.timeout(10, soon);
    scope.timeout(100, late);
    vi.advanceTimersByTime(50);
    scope.dispose();
    vi.advanceTimersByTime(500);
    expect(soon).toHaveBeenCalledOnce();
    expect(late).not.toHaveBeenCalled();
    vi.useRealTimers();
  });
});

describe("FrameLoop", () => {
  it("asks for frames only while there is something to draw", () => {
    const requests: FrameRequestCallback[] = [];
    vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => requests.push(callback));
    vi.stubGlobal("cancelAnimationFrame", vi.fn());
    const scope = new Scope();
    let more = true;
    const draw = vi.fn(() => more);
    const loop = new FrameLoop(scope, draw);
    loop.wake();
    loop.wake();
    expect(requests).toHaveLength(1);
    requests.pop()?.(16);
    expect(requests).toHaveLength(1);
    more = false;
    requests.pop()?.(32);
    expect(requests).toHaveLength(0);
    expect(draw).toHaveBeenCalledTimes(2);
    scope.dispose();
    loop.wake();
    expect(requests).toHaveLength(0);
    vi.unstubAllGlobals();
  });
});
