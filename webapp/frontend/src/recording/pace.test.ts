import { expect, it } from "vitest";
import { Pace } from "./pace";

it("says nothing before there is something to say", () => {
  const pace = new Pace(100, 0);
  expect(pace.perSecond).toBeNull();
  pace.advance(1, 300);
  expect(pace.secondsLeft).toBeNull();
});

it("tells an even pace and what is left of it", () => {
  const pace = new Pace(600, 1000);
  for (let done = 1; done <= 200; done++) pace.advance(done, 1000 + done * 20);
  expect(pace.perSecond).toBeCloseTo(50, 6);
  expect(pace.secondsLeft).toBeCloseTo(8, 6);
  for (let done = 201; done <= 600; done++) pace.advance(done, 1000 + done * 20);
  expect(pace.secondsLeft).toBe(0);
});

it("forgets a slow beginning", () => {
  const pace = new Pace(10_000, 0);
  let nowMs = 0;
  for (let done = 1; done <= 10; done++) pace.advance(done, (nowMs += 2000));
  for (let done = 11; done <= 1010; done++) pace.advance(done, (nowMs += 10));
  expect(pace.perSecond).toBeGreaterThan(95);
  expect(pace.perSecond).toBeLessThan(101);
});
