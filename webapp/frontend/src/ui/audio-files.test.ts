import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { audioAmong, filesIn, filesOfDrop, speakAdded } from "./audio-files";

const file = (name: string, type = "", content = "sound") => new File([content], name, { type });
const names = (files: readonly File[]) => files.map(({ name }) => name);

/** What a browser says that plays neither AIFF nor what it has never heard of. */
beforeEach(() =>
  vi.stubGlobal(
    "Audio",
    class {
      canPlayType = (type: string) => (/aiff|unheard/.test(type) ? "" : "maybe");
    },
  ),
);
afterEach(() => vi.unstubAllGlobals());

describe("audio among files", () => {
  it("is told by extension or type", () => {
    const heard = ["a.mp3", "b.FLAC", "c.m4a", "d.opus", "f.webm"].map((name) => file(name));
    heard.push(file("g", "audio/x-flac"));
    const others = [
      ...[
        file("cover.jpg", "image/jpeg"),
        file("list.m3u", "audio/x-mpegurl"),
        file("tune.mid", "audio/midi"),
      ],
      ...[
        file("a.aiff"),
        file("b.AIF", "audio/x-aiff"),
        file("c", "audio/x-unheard-of"),
        file("empty.mp3", "audio/mpeg", ""),
        file("mp3"),
        file("a.mp3.part"),
      ],
    ];
    const hidden = [file("._a.mp3", "audio/mpeg"), file(".DS_Store")];
    const found = audioAmong([...others, ...hidden, ...heard]);
    expect(names(found.audio)).toEqual(names(heard));
    expect(names(found.others)).toEqual(names(others));
  });

  it("comes as people number it", () => {
    expect(names(audioAmong(["10 b.mp3", "9 a.mp3", "1 z.mp3"].map((name) => file(name))).audio)).toEqual([
      "1 z.mp3",
      "9 a.mp3",
      "10 b.mp3",
    ]);
  });

  it("may be thousands of files", () => {
    const many = Array.from({ length: 5000 }, (_, i) => file(`${i}.mp3`));
    expect(audioAmong(many).audio).toHaveLength(5000);
  });

  const skipped = "not audio that this browser plays.";
  it.each([
    [1, [], "Added 1 track."],
    [2, [], "Added 2 tracks."],
    [2, ["a.txt"], `Added 2 tracks. Skipped a.txt: ${skipped}`],
    [1, ["a", "b", "c"], `Added 1 track. Skipped a, b and c: ${skipped}`],
    [0, ["a", "b", "c", "d", "e"], `There is nothing to play. Skipped a, b, c and 2 more: ${skipped}`],
    [0, [], "The folder is empty."],
  ])("%i tracks and others, %j, are spoken of", (nAudio, others, words) => {
    const audio = Array.from({ length: nAudio }, () => file("a.mp3"));
    expect(speakAdded({ audio, others: others.map((name) => file(name)) })).toBe(words);
  });
});

interface Tree {
  readonly [name: string]: Tree | string;
}

const entryOf = (name: string, content: Tree | string): FileSystemEntry => {
  if (typeof content === "string") {
    const isRead = content !== "unreadable";
    const read = (ok: (file: File) => void, fail: () => void) =>
      isRead ? ok(file(name, "", content)) : fail();
    return { isFile: true, isDirectory: false, name, file: read } as unknown as FileSystemEntry;
  }
  const createReader = () => {
    const left = Object.entries(content).map(([child, inside]) => entryOf(child, inside));
    // Two at a time, as browsers do with a hundred.
    return { readEntries: (ok: (some: FileSystemEntry[]) => void) => ok(left.splice(0, 2)) };
  };
  return { isFile: false, isDirectory: true, name, createReader } as unknown as FileSystemEntry;
};

describe("a drop", () => {
  const tree = {
    "a.mp3": "1",
    "b.mp3": "unreadable",
    "c.mp3": "3",
    inside: { "d.mp3": "4", deeper: { "e.mp3": "5" } },
  };

  it("is walked through folder by folder", async () => {
    expect(names(await filesIn([entryOf("music", tree), entryOf("f.mp3", "6")])).sort()).toEqual([
      ...["a.mp3", "c.mp3", "d.mp3", "e.mp3", "f.mp3"],
    ]);
  });

  it("of folders in themselves ends", async () => {
    const round: { inside?: Tree; "a.mp3": string } = { "a.mp3": "1" };
    round.inside = round;
    expect(await filesIn([entryOf("round", round as Tree)])).toHaveLength(11);
  });

  it("of plain files needs no walk", async () => {
    const files = [file("a.mp3")];
    const items = [{ kind: "file", webkitGetAsEntry: () => entryOf("a.mp3", "1") }, { kind: "string" }];
    expect(await filesOfDrop({ files, items } as unknown as DataTransfer)).toEqual(files);
    const folder = [{ kind: "file", webkitGetAsEntry: () => entryOf("music", tree) }];
    expect(await filesOfDrop({ files, items: folder } as unknown as DataTransfer)).toHaveLength(4);
  });
});
