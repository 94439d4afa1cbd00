import { signal, type ReadonlySignal } from "@preact/signals";
import { lookFromSearch, lookToSearch, type KnownVisuals, type Look } from "./look";
import type { KeyValueStore } from "./settings";

/** A look that somebody gave a name. */
export interface Preset {
  readonly name: string;
  readonly look: Look;
}

/** Something about presets that does not go; the message says what and how to go on, for people. */
export class PresetError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PresetError";
  }
}

export const MAX_PRESETS = 100;
export const MAX_NAME_LENGTH = 60;
/** A hundred looks take a tenth of that. */
export const MAX_TEXT_LENGTH = 256 * 1024;
const SCHEMA_VERSION = 1;
const STORE_KEY = "tfdeepviz.presets";

/**
 * The person's presets, kept in the browser, and as text that can be handed on:
 *
 *     {"schema_version": 1, "presets": [{"name": "Slow rings", "look": "?visual=saturn&attack=0.9"}]}
 *
 * A look is written as in an address (look.ts), so that there is one reader for both.
 */
export class Presets {
  readonly #store: KeyValueStore | null;
  readonly #known: KnownVisuals;
  readonly #list = signal<readonly Preset[]>([]);

  constructor(store: KeyValueStore | null, known: KnownVisuals) {
    this.#store = store;
    this.#known = known;
    this.#list.value = this.#load();
  }

  /** In the order in which they were saved. */
  get list(): ReadonlySignal<readonly Preset[]> {
    return this.#list;
  }

  /** @throws PresetError for a name that cannot be or is taken, for too many, or if it cannot be kept */
  save(name: string, look: Look): void {
    const list = this.#list.peek();
    const clean = checkName(name);
    this.#mustBeFree(clean, list);
    if (list.length >= MAX_PRESETS) {
      throw new PresetError(`There are ${MAX_PRESETS} presets already. Delete one that you no longer need.`);
    }
    this.#keep([...list, { name: clean, look }]);
  }

  /** @throws PresetError if the change cannot be kept */
  delete(name: string): void {
    this.#keep(this.#list.peek().filter((preset) => preset.name !== name));
  }

  exportText(): string {
    return write(this.#list.peek(), 2);
  }

  /**
   * Add the presets of an exported file: all of them or, where something is wrong, none. What is here already is not
   * added twice; another look whose name is taken gets a number.
   *
   * @returns how many were added
   * @throws PresetError for a text that is not an export, for too many presets, or if they cannot be kept
   */
  importText(text: string): number {
    const before = this.#list.peek();
    const list = [...before];
    for (const preset of this.#parse(text)) {
      const search = lookToSearch(preset.look, null);
      const here = list.some(
        (other) =>
          baseName(other.name) === baseName(preset.name) && lookToSearch(other.look, null) === search,
      );
      if (!here) list.push({ ...preset, name: freeName(preset.name, list) });
    }
    if (list.length > MAX_PRESETS) {
      throw new PresetError(
        `With those of the file there would be ${list.length} presets, and ${MAX_PRESETS} is the most. Delete some first.`,
      );
    }
    if (list.length > before.length) this.#keep(list);
    return list.length - before.length;
  }

  #mustBeFree(name: string, list: readonly Preset[]): void {
    if (list.some((preset) => preset.name === name)) {
      throw new PresetError(`“${name}” exists already. Choose another name, or delete the old one first.`);
    }
  }

  #keep(list: readonly Preset[]): void {
    this.#list.value = list;
    try {
      this.#store?.setItem(STORE_KEY, write(list));
    } catch {
      this.#complain();
    }
    if (!this.#store) this.#complain();
  }

  #complain(): never {
    throw new PresetError(
      "This browser keeps nothing for the page, so the presets last until it is closed. Export them to a file.",
    );
  }

  /** What was kept; an entry that cannot be read, of another version perhaps, must not hide the others. */
  #load(): readonly Preset[] {
    try {
      const list: Preset[] = [];
      for (const entry of entriesOf(this.#store?.getItem(STORE_KEY) ?? write([]))) {
        const preset = this.#attempt(entry);
        if (preset && list.length < MAX_PRESETS && list.every(({ name }) => name !== preset.name)) {
          list.push(preset);
        }
      }
      return list;
    } catch {
      // Storage is forbidden, or not ours any more: begin anew.
      return [];
    }
  }

  #attempt(entry: unknown): Preset | null {
    try {
      return this.#read(entry);
    } catch {
      return null;
    }
  }

  #parse(text: string): readonly Preset[] {
    const presets = entriesOf(text).map((entry) => this.#read(entry));
    const names = new Set(presets.map(({ name }) => name));
    if (names.size < presets.length) {
      throw new PresetError("The file names a preset twice. Give each its own name, then import it again.");
    }
    return presets;
  }

  #read(entry: unknown): Preset {
    if (!isRecord(entry) || typeof entry.name !== "string" || typeof entry.look !== "string") {
      throw notAnExport("One of its presets has no name or no look");
    }
    const name = checkName(entry.name);
    const { look, problems } = lookFromSearch(entry.look, this.#known);
    const [problem] = problems;
    if (problem !== undefined) {
      throw new PresetError(
        `The preset “${name}” cannot be used: ${problem} It may come from another version of this page.`,
      );
    }
    return { name, look };
  }
}

function write(list: readonly Preset[], indent = 0): string {
  const presets = list.map(({ name, look }) => ({ name, look: lookToSearch(look, null) }));
  return JSON.stringify({ schema_version: SCHEMA_VERSION, presets }, null, indent);
}

function entriesOf(text: string): readonly unknown[] {
  if (text.length > MAX_TEXT_LENGTH) throw notAnExport("It is too long");
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw notAnExport("It is not JSON");
  }
  if (!isRecord(content) || !Array.isArray(content.presets)) throw notAnExport("It holds no presets");
  if (content.schema_version !== SCHEMA_VERSION) {
    throw new PresetError(
      "The file was written by another version of this page. Reload the page, then import it again.",
    );
  }
  const presets = content.presets as readonly unknown[];
  if (presets.length > MAX_PRESETS) throw notAnExport(`It holds more than ${MAX_PRESETS} presets`);
  return presets;
}

function notAnExport(problem: string): PresetError {
  return new PresetError(`${problem}. Choose a file that this page has exported.`);
}

function checkName(name: string): string {
  const clean = name.replace(/[\p{C}\s]+/gu, " ").trim();
  if (clean === "") throw new PresetError("A preset needs a name. Enter one.");
  if (clean.length > MAX_NAME_LENGTH) {
    throw new PresetError(
      `The name has ${clean.length} characters, and ${MAX_NAME_LENGTH} is the most. Shorten it.`,
    );
  }
  return clean;
}

function freeName(name: string, list: readonly Preset[]): string {
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? "" : ` (${number})`;
    const candidate = name.slice(0, MAX_NAME_LENGTH - suffix.length) + suffix;
    if (list.every((preset) => preset.name !== candidate)) return candidate;
  }
}

/** The name without the number that `freeName` may have given it. */
function baseName(name: string): string {
  return name.replace(/ \(\d+\)$/, "");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
