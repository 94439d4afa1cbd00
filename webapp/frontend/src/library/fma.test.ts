import { afterEach, describe, expect, it, vi } from "vitest";
import { FmaIndexError, fetchFmaIndex, parseFmaIndex } from "./fma";

const index = {
  schema_version: 1,
  genres: ["Folk", "Rock"],
  artists: ["ann", "Bob"],
  licences: ["CC0-1.0"],
  tracks: [
    [140, 0, 1, "Apple", 30, 0],
    [155066, -1, -1, "Track 155066", 0, -1],
  ] as unknown[],
};
const parse = (changes: object) => parseFmaIndex(JSON.stringify({ ...index, ...changes }));

describe("the index of FMA", () => {
  it("gives tracks with their names", () => {
    expect(parse({})).toEqual({
      genres: ["Folk", "Rock"],
      tracks: [
        { id: 140, title: "Apple", artist: "ann", genre: "Rock", licence: "CC0-1.0", durationSeconds: 30 },
        { id: 155066, title: "Track 155066", artist: null, genre: null, licence: null, durationSeconds: 0 },
      ],
    });
  });

  it.each([
    [null],
    [[]],
    [[1.5, 0, 0, "T", 30, 0]],
    [[-1, 0, 0, "T", 30, 0]],
    [[1e6, 0, 0, "T", 30, 0]],
    [["140", 0, 0, "T", 30, 0]],
    [[1, 0, 0, "", 30, 0]],
    [[1, 0, 0, "t".repeat(301), 30, 0]],
    [[1, 0, 0, "T", 1e9, 0]],
    [[7, 0, 0, "the same number again", 30, 0]],
  ])("leaves out a track like %j", (bad) => {
    const { tracks } = parse({ tracks: [[7, 0, 0, "good", 1, 0], bad] });
    expect(tracks.map(({ title }) => title)).toEqual(["good"]);
  });

  it("does not trust places in its lists", () => {
    const [track] = parse({ tracks: [[7, 99, "length", "T", 1, 0.5]] }).tracks;
    expect(track).toMatchObject({ artist: null, genre: null, licence: null });
  });

  it.each([
    ["{", "is not JSON"],
    ["3", "is no object"],
    ["null", "is no object"],
    [JSON.stringify({ ...index, schema_version: 2 }), "version 2"],
    [JSON.stringify({ ...index, genres: [3] }), "no usable genres"],
    [JSON.stringify({ ...index, artists: {} }), "no usable artists"],
    [JSON.stringify({ ...index, tracks: {} }), "has no tracks"],
  ])("refuses %s in one line", (text, told) => {
    expect(() => parseFmaIndex(text)).toThrow(FmaIndexError);
    expect(() => parseFmaIndex(text)).toThrow(new RegExp(`^The list of FMA tracks .*${told}.*$`));
  });
});

describe("fetching it", () => {
  afterEach(() => vi.unstubAllGlobals());
  const answer = (response: Response | Error) =>
    vi.stubGlobal("fetch", () =>
      response instanceof Error ? Promise.reject(response) : Promise.resolve(response),
    );

  it("reads what the server has", async () => {
    answer(new Response(JSON.stringify(index)));
    expect((await fetchFmaIndex("fma/index.json"))?.tracks).toHaveLength(2);
  });

  it("tells a server without FMA from a broken one", async () => {
    answer(new Response("404", { status: 404 }));
    expect(await fetchFmaIndex("fma/index.json")).toBeNull();
    answer(new Response(JSON.stringify({ ...index, tracks: [] })));
    expect(await fetchFmaIndex("fma/index.json")).toBeNull();
    answer(new Response("", { status: 500 }));
    await expect(fetchFmaIndex("fma/index.json")).rejects.toThrow("the server answers 500. Try again");
    answer(new TypeError("offline"));
    await expect(fetchFmaIndex("fma/index.json")).rejects.toThrow("cannot be reached");
  });

  it("stops reading what does not end", async () => {
    let nPulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        nPulled++;
        controller.enqueue(new Uint8Array(2 ** 20));
      },
    });
    answer(new Response(endless));
    await expect(fetchFmaIndex("fma/index.json")).rejects.toThrow("longer than 64 MiB");
    expect(nPulled).toBeLessThan(70);
  });

  it("says when it broke off", async () => {
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("cut")),
    });
    answer(new Response(broken));
    await expect(fetchFmaIndex("fma/index.json")).rejects.toThrow("broke off");
  });
});
