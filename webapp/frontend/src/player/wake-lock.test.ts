import { signal } from "@preact/signals";
import { describe, expect, it, vi } from "vitest";
import { Scope } from "./scope";
import { keepScreenOn } from "./wake-lock";

class FakePage extends EventTarget {
  visibilityState: DocumentVisibilityState = "visible";

  turn(state: DocumentVisibilityState): void {
    this.visibilityState = state;
    if (state === "hidden") for (const lock of locks) lock.released = true; // as browsers do
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

interface FakeLock {
  released: boolean;
  release(): Promise<void>;
}

let locks: FakeLock[] = [];

function setUp(wanted = true) {
  locks = [];
  const scope = new Scope();
  const page = new FakePage();
  const playing = signal(wanted);
  const request = vi.fn(() => {
    const lock: FakeLock = {
      released: false,
      release: () => {
        lock.released = true;
        return Promise.resolve();
      },
    };
    locks.push(lock);
    return Promise.resolve(lock as unknown as WakeLockSentinel);
  });
  keepScreenOn(scope, playing, { locks: { request }, page });
  return { scope, page, playing, request };
}

const settled = async () => {
  for (let i = 0; i < 5; i++) await Promise.resolve();
};
const held = () => locks.filter(({ released }) => !released).length;

describe("the screen", () => {
  it("stays on while music plays", async () => {
    const { playing, scope } = setUp(false);
    await settled();
    expect(locks).toHaveLength(0);
    playing.value = true;
    await settled();
    expect(held()).toBe(1);
    playing.value = false;
    await settled();
    expect(held()).toBe(0);
    playing.value = true;
    await settled();
    scope.dispose();
    await settled();
    expect(held()).toBe(0);
  });

  it("is asked for again when the page comes back", async () => {
    const { page, playing } = setUp();
    await settled();
    page.turn("hidden");
    await settled();
    expect(held()).toBe(0);
    page.turn("visible");
    await settled();
    expect([held(), locks.length]).toEqual([1, 2]);
    page.turn("visible");
    playing.value = false;
    page.turn("visible");
    await settled();
    expect([held(), locks.length]).toEqual([0, 2]);
  });

  it("is let go when the music stopped while the browser was asked", async () => {
    const { playing } = setUp();
    playing.value = false;
    await settled();
    expect(held()).toBe(0);
  });

  it("may go dark where the browser refuses", async () => {
    const { playing, request, page } = setUp(false);
    request.mockRejectedValue(new DOMException("low battery", "NotAllowedError"));
    playing.value = true;
    await settled();
    playing.value = false;
    page.turn("visible");
    await settled();
    expect(request).toHaveBeenCalledOnce();
    keepScreenOn(new Scope(), playing, { locks: undefined, page });
  });
});
