import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Scope } from "../player/scope";
import { IDLE_MS, IdleWatch, mayFade, type Attention } from "./idle";

const away: Attention = { playing: true, hovered: false, focused: false, busy: false };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("controls fade only when nobody uses them", () => {
  expect(mayFade(away)).toBe(true);
  expect(mayFade({ ...away, playing: false })).toBe(false);
  expect(mayFade({ ...away, hovered: true })).toBe(false);
  expect(mayFade({ ...away, focused: true })).toBe(false);
  expect(mayFade({ ...away, busy: true })).toBe(false);
});

it("hides after a while and comes back with the first movement", () => {
  const watch = new IdleWatch(new Scope(), () => away);
  vi.advanceTimersByTime(IDLE_MS - 1);
  expect(watch.visible.value).toBe(true);
  vi.advanceTimersByTime(1);
  expect(watch.visible.value).toBe(false);
  watch.moved();
  expect(watch.visible.value).toBe(true);
});

it("waits on while the keyboard is in use", () => {
  let focused = true;
  const watch = new IdleWatch(new Scope(), () => ({ ...away, focused }));
  vi.advanceTimersByTime(3 * IDLE_MS);
  expect(watch.visible.value).toBe(true);
  focused = false;
  vi.advanceTimersByTime(IDLE_MS);
  expect(watch.visible.value).toBe(false);
});
