import { afterEach, expect, it, vi } from "vitest";
import { FetchError, fmaSource, parseDemoTracks } from "./sources";

afterEach(() => vi.unstubAllGlobals());

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

it("reads an FMA track from beside its index", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (url: string) => {
    asked.push(url);
    return Promise.resolve(asked.length === 1 ? new Response("sound") : new Response("", { status: 404 }));
  });
  const track = {
    ...{ id: 2, title: "Food", artist: null, genre: null, licence: null },
    durationSeconds: 30,
  };
  const source = fmaSource(track, "https://here/music/fma/index.json");
  const { signal } = new AbortController();
  expect(source).toMatchObject({ title: "Food", artist: null });
  expect(new TextDecoder().decode((await source.read(signal)) as ArrayBuffer)).toBe("sound");
  expect(asked).toEqual(["https://here/music/fma/2.mp3"]);
  await expect(source.read(signal)).rejects.toThrow(FetchError);
});
