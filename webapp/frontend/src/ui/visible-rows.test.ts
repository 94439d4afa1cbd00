import { expect, it } from "vitest";
import { rowForKey, scrollTopFor, visibleRows } from "./visible-rows";

it.each([
  [0, 100, 50, 8000, 0, 6],
  [1000, 100, 50, 8000, 16, 26],
  [1025, 100, 50, 8000, 16, 27],
  [399_900, 100, 50, 8000, 7994, 8000],
  [-80, 100, 50, 8000, 0, 6],
  [9000, 100, 50, 3, 3, 3], // the list has just become shorter
  [0, 100, 50, 0, 0, 0],
  [0, 0, 0, 8000, 0, 4], // nothing is laid out yet
])("at %i of %i pixels, rows of %i, %i of them: %i to %i", (top, height, row, count, first, end) => {
  expect(visibleRows(top, height, row, count)).toEqual({ first, end });
});

it("scrolls no further than it must", () => {
  expect(scrollTopFor(5, 200, 500, 50)).toBe(200);
  expect(scrollTopFor(0, 200, 500, 50)).toBe(0);
  expect(scrollTopFor(20, 200, 500, 50)).toBe(550);
});

it.each([
  ["ArrowDown", 0, 1],
  ["ArrowUp", 0, 0],
  ["PageDown", 3, 9],
  ["PageUp", 3, 0],
  ["Home", 7, 0],
  ["End", 0, 9],
  ["a", 3, null],
])("%s leads from row %i to %s", (key, row, expected) => {
  expect(rowForKey(key, row, 10, 8)).toBe(expected);
});
