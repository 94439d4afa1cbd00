import type { FmaTrack } from "./fma";

/** Letters that Unicode does not take apart, as people without them on their keyboards type them. */
const PLAIN: Readonly<Record<string, string>> = {
  ...{ ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ð: "d", þ: "th", ł: "l", ı: "i", ħ: "h" },
};

/** A text as it is compared: small letters and digits without accents, words apart by one space. */
export function fold(text: string): string {
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[ßæœøđðþłıħ]/g, (letter) => PLAIN[letter] ?? letter)
    .replace(/[\p{M}'’ʼ`´]/gu, "")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

/** Finds tracks by any words of artist, title and genre, in any order, while they are typed. */
export class TrackSearch {
  readonly #tracks: readonly FmaTrack[];
  /** A space before every word. */
  readonly #texts: readonly string[];

  constructor(tracks: readonly FmaTrack[]) {
    this.#tracks = tracks;
    // Artists and genres come again and again: each is folded once.
    const folded = new Map<string, string>();
    const once = (name: string) => {
      const known = folded.get(name);
      if (known !== undefined) return known;
      const text = fold(name);
      folded.set(name, text);
      return text;
    };
    this.#texts = tracks.map(
      ({ artist, title, genre }) => ` ${once(artist ?? "")} ${fold(title)} ${once(genre ?? "")}`,
    );
  }

  /**
   * Tracks that hold all words, those first where each of them begins a word; in the index's order otherwise.
   *
   * @param genre null: of all genres
   */
  find(query: string, genre: string | null = null): readonly FmaTrack[] {
    const words = fold(query)
      .split(" ")
      .filter((word) => word !== "");
    const beginnings: FmaTrack[] = [];
    const others: FmaTrack[] = [];
    this.#tracks.forEach((track, i) => {
      if (genre !== null && track.genre !== genre) return;
      const text = this.#texts[i] ?? "";
      if (!words.every((word) => text.includes(word))) return;
      (words.every((word) => text.includes(` ${word}`)) ? beginnings : others).push(track);
    });
    return beginnings.concat(others);
  }
}
