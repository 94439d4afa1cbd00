import { describe, expect, it, vi } from "vitest";
import type { Look } from "./look";
import { MAX_PRESETS, MAX_TEXT_LENGTH, PresetError, Presets } from "./presets";
import type { KeyValueStore } from "./settings";

const known = { visuals: ["bar", "saturn"] };
const look = (seed: number, visual = "saturn"): Look => ({
  visual,
  seed,
  model: null,
  mapping: null,
  time: { attack: 0.9 },
  wires: null,
});

class FakeStore implements KeyValueStore {
  readonly content = new Map<string, string>();
  readonly setItem = vi.fn((key: string, value: string) => void this.content.set(key, value));

  getItem(key: string): string | null {
    return this.content.get(key) ?? null;
  }
}

function setUp() {
  const store = new FakeStore();
  return { store, presets: new Presets(store, known) };
}

const namesOf = (presets: Presets) => presets.list.value.map(({ name }) => name);
const exported = (...entries: unknown[]) => JSON.stringify({ schema_version: 1, presets: entries });

describe("Presets", () => {
  it("keeps looks under names from one visit to the next", () => {
    const { store, presets } = setUp();
    presets.save("  Slow \n rings ", look(7));
    presets.save("Bars", look(1, "bar"));
    const again = new Presets(store, known);
    expect(again.list.value).toEqual([
      { name: "Slow rings", look: look(7) },
      { name: "Bars", look: look(1, "bar") },
    ]);
    again.delete("Slow rings");
    expect(namesOf(new Presets(store, known))).toEqual(["Bars"]);
  });

  it("refuses names that cannot be or are taken", () => {
    const { presets } = setUp();
    presets.save("A", look(1));
    presets.save("B", look(2));
    expect(() => presets.save("A", look(3))).toThrow("“A” exists already");
    expect(() => presets.save(" B", look(3))).toThrow("exists already");
    expect(() => presets.save(" \u200b", look(3))).toThrow("needs a name");
    expect(() => presets.save("x".repeat(61), look(3))).toThrow("61 characters, and 60");
    presets.save("x".repeat(60), look(3));
    expect(presets.list.value).toHaveLength(3);
  });

  it("has a hundred and no more", () => {
    const { presets } = setUp();
    for (let i = 0; i < MAX_PRESETS; i++) presets.save(`P ${i}`, look(i));
    expect(() => presets.save("one more", look(1))).toThrow("100 presets already");
    expect(() => presets.importText(exported({ name: "one more", look: "?visual=bar" }))).toThrow(
      PresetError,
    );
    expect(presets.exportText().length).toBeLessThan(MAX_TEXT_LENGTH);
    expect(setUp().presets.importText(presets.exportText())).toBe(MAX_PRESETS);
  });

  it("says when the browser does not keep them, and has them all the same", () => {
    const full = new FakeStore();
    full.setItem.mockImplementation(() => {
      throw new DOMException("", "QuotaExceededError");
    });
    for (const store of [full, null]) {
      const presets = new Presets(store, known);
      expect(() => presets.save("A", look(1))).toThrow("last until it is closed");
      expect(namesOf(presets)).toEqual(["A"]);
    }
  });

  it("begins anew with a store that is not ours any more, and skips what it cannot read", () => {
    for (const text of [
      "{",
      "null",
      "[]",
      '{"schema_version":2,"presets":[]}',
      "x".repeat(MAX_TEXT_LENGTH + 1),
    ]) {
      const { store } = setUp();
      store.content.set("tfdeepviz.presets", text);
      expect(new Presets(store, known).list.value).toEqual([]);
    }
    const { store } = setUp();
    const good = { name: "Good", look: "?visual=bar" };
    store.content.set("tfdeepviz.presets", exported({ name: "Gone", look: "?visual=gone" }, good, 3, good));
    expect(namesOf(new Presets(store, known))).toEqual(["Good"]);
    const forbidden: KeyValueStore = {
      getItem: () => {
        throw new DOMException("", "SecurityError");
      },
      setItem: () => undefined,
    };
    expect(new Presets(forbidden, known).list.value).toEqual([]);
  });
});

describe("export and import", () => {
  it("hands presets on", () => {
    const { presets } = setUp();
    presets.save("Rings", look(7));
    const text = presets.exportText();
    expect(JSON.parse(text)).toEqual({
      schema_version: 1,
      presets: [{ name: "Rings", look: "?visual=saturn&seed=7&attack=0.9" }],
    });
    const other = setUp();
    expect(other.presets.importText(text)).toBe(1);
    expect(other.presets.list.value).toEqual(presets.list.value);
    expect(new Presets(other.store, known).list.value).toEqual(presets.list.value);
  });

  it("adds nothing twice and overwrites nothing", () => {
    const { presets } = setUp();
    presets.save("Rings", look(7));
    const text = exported({ name: "Rings", look: "?visual=bar" }, { name: "New", look: "?visual=bar" });
    expect(presets.importText(presets.exportText())).toBe(0);
    expect(presets.importText(text)).toBe(2);
    expect(namesOf(presets)).toEqual(["Rings", "Rings (2)", "New"]);
    expect(presets.list.value[0]?.look).toEqual(look(7));
    expect(presets.importText(text)).toBe(0);
    expect(presets.importText(presets.exportText())).toBe(0);
    const long = "x".repeat(60);
    presets.importText(exported({ name: long, look: "?visual=bar" }));
    presets.importText(exported({ name: long, look: "?visual=saturn" }));
    expect(namesOf(presets).at(-1)).toBe(`${"x".repeat(56)} (2)`);
  });

  it.each([
    ["", "not JSON"],
    ["[]", "holds no presets"],
    ['{"schema_version":1}', "holds no presets"],
    ['{"schema_version":2,"presets":[]}', "another version"],
    [exported(null), "no name or no look"],
    [exported({ name: 3, look: "" }), "no name or no look"],
    [exported({ name: "", look: "?visual=bar" }), "needs a name"],
    [exported({ name: "A", look: "?visual=gone" }), "“A” cannot be used: “visual=gone”"],
    [exported({ name: "A", look: "?attack=2" }), "from 0 to 1"],
    [exported({ name: "A", look: "" }, { name: " A", look: "" }), "twice"],
    [exported(...Array<number>(101).fill(0)), "more than 100"],
    [" ".repeat(MAX_TEXT_LENGTH + 1), "too long"],
  ])("refuses %.60s as a whole", (text, words) => {
    const { store, presets } = setUp();
    presets.save("Mine", look(1));
    store.setItem.mockClear();
    expect(() => presets.importText(text)).toThrow(PresetError);
    expect(() => presets.importText(text)).toThrow(words);
    expect(namesOf(presets)).toEqual(["Mine"]);
    expect(store.setItem).not.toHaveBeenCalled();
  });
});
