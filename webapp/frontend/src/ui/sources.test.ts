import { expect, it } from "vitest";
import { parseDemoTracks } from "./sources";

const track = { file: "a.mp3", title: "A", artist: "B", genre: "Folk", duration_seconds: 30 };

it("reads the list of demo tracks", () => {
  expect(parseDemoTracks({ schema_version: 1, tracks: [track] })).toEqual([
    { file: "a.mp3", title: "A", artist: "B", genre: "Folk", durationSeconds: 30 },
  ]);
});

it("leaves out what it cannot trust", () => {
  const bad = [
    { ...track, file: "../secret" },
    { ...track, file: "https://elsewhere/a.mp3" },
    { ...track, title: 3 },
    null,
    "a.mp3",
  ];
  expect(parseDemoTracks({ schema_version: 1, tracks: [...bad, track] })).toHaveLength(1);
  for (const list of [null, [], {}, { schema_version: 2, tracks: [track] }, { schema_version: 1 }]) {
    expect(parseDemoTracks(list)).toEqual([]);
  }
});
