import { describe, expect, it } from "vitest";
import { Playlist } from "./playlist";
import type { TrackSource } from "./sources";

const song = (title: string): TrackSource => ({
  title,
  artist: null,
  read: () => Promise.resolve(new ArrayBuffer(1)),
});
const titles = (playlist: Playlist) => playlist.entries.value.map(({ source }) => source.title).join("");

function listOf(letters: string) {
  const playlist = new Playlist();
  const entries = playlist.add(Array.from(letters, song));
  return { playlist, ids: entries.map(({ id }) => id) };
}

describe("a playlist", () => {
  it("is walked through from what is open to its ends", () => {
    const { playlist, ids } = listOf("abc");
    expect(playlist.current.value).toBeNull();
    expect(playlist.step(1)).toBeNull();
    playlist.select(ids[1]!);
    expect(playlist.neighbours.value).toEqual({ previous: true, next: true });
    expect(playlist.step(1)?.source.title).toBe("c");
    expect(playlist.neighbours.value).toEqual({ previous: true, next: false });
    expect(playlist.step(1)).toBeNull();
    expect(playlist.current.value?.source.title).toBe("c");
    expect(playlist.step(-2)?.source.title).toBe("a");
    expect(playlist.neighbours.value).toEqual({ previous: false, next: true });
  });

  it("keeps what is open when others come, go and move", () => {
    const { playlist, ids } = listOf("abcd");
    playlist.select(ids[2]!);
    playlist.remove(ids[0]!);
    playlist.move(ids[3]!, 0);
    playlist.add([song("e"), song("c")]);
    expect(titles(playlist)).toBe("dbcec");
    expect(playlist.current.value?.id).toBe(ids[2]);
    playlist.move(ids[2]!, 99);
    playlist.move(ids[1]!, -1);
    playlist.move(12345, 0);
    expect(titles(playlist)).toBe("bdecc");
  });

  it("goes on beside what was open once that is removed", () => {
    const { playlist, ids } = listOf("abcde");
    playlist.select(ids[2]!);
    playlist.remove(ids[2]!);
    expect(playlist.current.value).toBeNull();
    expect(playlist.neighbours.value).toEqual({ previous: true, next: true });
    playlist.remove(ids[0]!);
    playlist.remove(ids[3]!);
    playlist.add([song("f")]);
    expect(titles(playlist)).toBe("bef");
    expect(playlist.step(1)?.source.title).toBe("e");
    expect(playlist.step(-1)?.source.title).toBe("b");
    playlist.remove(ids[1]!);
    expect(playlist.neighbours.value).toEqual({ previous: false, next: true });
    playlist.remove(ids[4]!);
    expect(playlist.step(1)?.source.title).toBe("f");
    playlist.remove(playlist.current.value!.id);
    expect(playlist.neighbours.value).toEqual({ previous: false, next: false });
    playlist.add([song("g")]);
    expect(playlist.step(1)?.source.title).toBe("g");
  });

  it.each([
    ["d", 0, "a", "c"],
    ["a", 3, undefined, "c"],
    ["e", 1, "a", "e"],
    ["c", 1, "a", "c"],
  ])("goes on where what was open stood, though %s moves to place %i", (letter, to, before, after) => {
    const playlists = [0, 1].map(() => {
      const { playlist, ids } = listOf("abcde");
      playlist.select(ids[1]!);
      playlist.remove(ids[1]!);
      playlist.move(ids["abcde".indexOf(letter)]!, to);
      return playlist;
    });
    expect(playlists[0]!.step(-1)?.source.title).toBe(before);
    expect(playlists[1]!.step(1)?.source.title).toBe(after);
  });

  it("has nothing open once it is cleared", () => {
    const { playlist, ids } = listOf("ab");
    playlist.select(ids[1]!);
    playlist.clear();
    expect(playlist.current.value).toBeNull();
    expect(playlist.neighbours.value).toEqual({ previous: false, next: false });
    expect(titles(playlist)).toBe("");
  });
});
