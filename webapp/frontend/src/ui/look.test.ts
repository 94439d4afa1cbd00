import { describe, expect, it } from "vitest";
import { PROJECTIONS, SCALING_MODES } from "../bundle";
import { createRandom } from "../visuals/random";
import { MAX_TITLE_LENGTH, lookFromSearch, lookToSearch, type Look } from "./look";
import type { Wire } from "./wiring";

const known = { visuals: ["bar", "real", "point-clouds", "saturn"] };
const plain: Look = { visual: "bar", seed: 1, model: null, mapping: null, time: {}, wires: null };
const straight = Array.from({ length: 10 }, (_, source): Wire => ({ source, inverted: false, held: null }));

describe("a look in an address", () => {
  it("says only what differs", () => {
    expect(lookToSearch(plain, null)).toBe("?visual=bar");
    const look: Look = {
      visual: "saturn",
      seed: 7,
      model: "ae",
      mapping: { projection: "pca", mode: "across", method: "standard" },
      time: { attack: 0.6, release: 0.8, interpolation: "hold", lookAheadSeconds: 0.12 },
      wires: straight.map((wire, i) => ({
        source: (wire.source + 3) % 10,
        inverted: i === 1,
        held: i === 2 ? 0.25 : null,
      })),
    };
    const search = lookToSearch(look, "Für Elise & Co, 100 %");
    expect(search).toBe(
      "?visual=saturn&seed=7&model=ae&mapping=pca,across,standard&attack=0.6&release=0.8&glide=0&ahead=120" +
        "&wires=3,4~,5=0.25,6,7,8,9,0,1,2&track=F%C3%BCr+Elise+%26+Co,+100+%25",
    );
    expect(lookFromSearch(search, known)).toEqual({ look, track: "Für Elise & Co, 100 %", problems: [] });
  });

  it("comes back exactly, whatever it is", () => {
    const random = createRandom(4);
    const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!;
    const perhaps = <T>(value: T) => (random() < 0.5 ? value : null);
    for (let round = 0; round < 500; round++) {
      const shuffled = straight.map((wire) => ({ wire, key: random() })).sort((a, b) => a.key - b.key);
      const look: Look = {
        visual: pick(known.visuals),
        seed: pick([0, 1, 42, 2 ** 53 - 1, Math.floor(random() * 1e9)]),
        model: perhaps(pick(["ae", "vgg16-l13", "two-scale"])),
        mapping: perhaps({
          projection: pick(PROJECTIONS),
          mode: pick(SCALING_MODES),
          method: pick(["standard", "minmax", "robust", "per-track"] as const),
        }),
        time: {
          ...perhaps({ attack: pick([0, 1, 1e-7, random()]) }),
          ...perhaps({ release: random() ** 9 }),
          ...perhaps({ interpolation: pick(["linear", "hold"] as const) }),
          ...perhaps({ lookAheadSeconds: pick([0, 2, -2, Math.floor(4000 * random() - 2000) / 1000]) }),
        },
        wires: perhaps(
          shuffled.map(({ wire: { source } }) => ({
            source,
            inverted: random() < 0.5,
            held: perhaps(pick([0, 1, 0.25, random()])),
          })),
        ),
      };
      const characters = ["🎵", ..."aZ9 &=+,%~#?/“”éß日本;".match(/./gu)!];
      const length = 1 + Math.floor(30 * random());
      const title = Array.from({ length }, () => characters[Math.floor(random() * characters.length)]!).join(
        "",
      );
      const track = title.replace(/\s+/g, " ").trim() || null;
      const { look: back, track: trackBack, problems } = lookFromSearch(lookToSearch(look, track), known);
      expect(problems).toEqual([]);
      expect(back).toEqual(look);
      expect(trackBack).toBe(track);
      // A browser normalises what it shows: its own reading must agree.
      const url = new URL(`https://x.test/p/${lookToSearch(look, track)}`);
      expect(lookFromSearch(url.search, known).look).toEqual(look);
    }
  });

  it("means the picture that is given where it names none", () => {
    expect(lookFromSearch("", known)).toEqual({ look: plain, track: null, problems: [] });
    expect(lookFromSearch("", { ...known, visual: "real" }).look.visual).toBe("real");
    expect(lookFromSearch("?visual=nothing", { ...known, visual: "real" }).look.visual).toBe("real");
  });

  it.each([
    ["visual=Saturn", "no such picture"],
    ["seed=-1", "whole number"],
    ["seed=1e3", "whole number"],
    ["seed=9007199254740993", "whole number"],
    ["seed=", "whole number"],
    ["model=../x", "no model"],
    [`model=${"a".repeat(65)}`, "no model"],
    ["mapping=pca,across", "a projection, a mode and a method"],
    ["mapping=pca,across,standard,x", "a projection"],
    ["mapping=toString,across,standard", "a projection"],
    ["attack=1.01", "from 0 to 1"],
    ["attack=NaN", "from 0 to 1"],
    ["release=0x1", "from 0 to 1"],
    ["release= 1", "from 0 to 1"],
    ["glide=yes", "0 or 1"],
    ["ahead=2001", "-2000 to 2000"],
    ["ahead=Infinity", "milliseconds"],
    ["wires=0,1,2,3,4,5,6,7,8", "10 entries"],
    ["wires=0,1,2,3,4,5,6,7,8,8", "10 entries"],
    ["wires=0,1,2,3,4,5,6,7,8,9,9", "10 entries"],
    ["wires=0,1,2,3,4,5,6,7,8,9=2", "10 entries"],
    ["wires=0,1,2,3,4,5,6,7,8,9=", "10 entries"],
    ["wires=0,1,2,3,4,5,6,7,8,~9", "10 entries"],
    ["track=%00%01", "a title"],
  ])("leaves %j out and says so", (query, words) => {
    const { look, track, problems } = lookFromSearch(`?${query}`, known);
    expect({ look, track }).toEqual({ look: plain, track: null });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(words);
    expect(problems[0]).toContain(query.slice(0, query.indexOf("=")));
  });

  it("keeps what it understands beside what it does not, and minds no other keys", () => {
    const { look, problems } = lookFromSearch("?seed=7&attack=x&utm_source=y&visual=real&seed=8", known);
    expect(look).toEqual({ ...plain, seed: 7, visual: "real" });
    expect(problems).toHaveLength(2);
  });

  it("lets an address say only so much", () => {
    const { look, problems } = lookFromSearch(`?seed=7&track=${"x".repeat(5000)}`, known);
    expect(look).toEqual(plain);
    expect(problems[0]).toContain("never that long");
    expect(lookFromSearch(`?attack=${"x".repeat(3000)}`, known).problems[0]!.length).toBeLessThan(150);
    const long = lookToSearch(plain, "🎵".repeat(400));
    const { track } = lookFromSearch(long, known);
    expect(track).toBe("🎵".repeat(MAX_TITLE_LENGTH / 2));
    expect(lookToSearch(plain, "two\r\nlines\u202e")).toBe("?visual=bar&track=two+lines");
  });
});
