import {
  INTERPOLATIONS,
  PROJECTIONS,
  SCALING_MODES,
  type Interpolation,
  type ScalingMethod,
} from "../bundle";
import type { MappingChoice, TimeChoice } from "./listening";
import type { Wire } from "./wiring";

/** Everything chosen that shapes the picture: what a link carries and a preset keeps. */
export interface Look {
  readonly visual: string;
  readonly seed: number;
  /** The three of them null, or without an entry: what suits picture and model. */
  readonly model: string | null;
  readonly mapping: MappingChoice | null;
  readonly time: TimeChoice;
  readonly wires: readonly Wire[] | null;
}

export interface KnownVisuals {
  readonly visuals: readonly string[];
  /** The one that is meant where the address names none; the first one, if not given. */
  readonly visual?: string;
}

export interface LookFromSearch {
  readonly look: Look;
  /** What the sender listened to; only its name. */
  readonly track: string | null;
  /** What could not be understood and does not count, each in one sentence. */
  readonly problems: readonly string[];
}

export const DEFAULT_SEED = 1;
export const MAX_TITLE_LENGTH = 200;
/** To both sides. */
const MAX_LOOK_AHEAD_SECONDS = 2;
const N_WIRES = 10;
const MAX_NAME_LENGTH = 64;
/** No look is that long, whatever its track is called. */
const MAX_SEARCH_LENGTH = 4096;
/** Words from an address come back in a sentence: not more of them than fit into one. */
const MAX_QUOTED_LENGTH = 40;

const METHODS: readonly ScalingMethod[] = ["standard", "minmax", "robust", "per-track"];
/** What an address calls them: the picture glides from one moment to the next, or jumps. */
const GLIDE: Readonly<Record<Interpolation, string>> = { linear: "1", hold: "0" };

/**
 * A look as the query of an address, empty or beginning with "?". What is as it suits picture and model is left out.
 * Look-ahead is written in milliseconds, to a thousandth of one.
 */
export function lookToSearch(look: Look, trackTitle: string | null): string {
  const { visual, seed, model, mapping, time, wires } = look;
  const { attack, release, interpolation, lookAheadSeconds } = time;
  const fields: readonly (readonly [string, string | null | undefined])[] = [
    ["visual", visual],
    ["seed", seed === DEFAULT_SEED ? null : String(seed)],
    ["model", model],
    ["mapping", mapping && [mapping.projection, mapping.mode, mapping.method].join(",")],
    ["attack", attack?.toString()],
    ["release", release?.toString()],
    ["glide", interpolation && GLIDE[interpolation]],
    ["ahead", lookAheadSeconds === undefined ? null : String(Math.round(lookAheadSeconds * 1e6) / 1e3)],
    ["wires", wires?.map(writeWire).join(",")],
    ["track", trackTitle === null ? null : cleanTitle(trackTitle)],
  ];
  const query = fields.flatMap(([key, value]) => (value ? [`${key}=${encode(value)}`] : [])).join("&");
  return query && `?${query}`;
}

/** Read an address that anybody may have written: what is not understood is left out, and said. */
export function lookFromSearch(search: string, known: KnownVisuals): LookFromSearch {
  const problems: string[] = [];
  const tooLong = search.length > MAX_SEARCH_LENGTH;
  if (tooLong) problems.push("A look is never that long, so nothing of it counts.");
  const query = new URLSearchParams(tooLong ? "" : search);
  /** A value that `parse` understands (not null), otherwise `fallback`. */
  const read = <T>(key: string, expected: string, parse: (text: string) => T | null, fallback: T): T => {
    const [text, ...others] = query.getAll(key);
    if (text === undefined) return fallback;
    if (others.length > 0) problems.push(`“${key}” is named more than once; the first one counts.`);
    const value = parse(text);
    if (value === null) problems.push(`“${key}=${quote(text)}” does not count: ${expected}.`);
    return value ?? fallback;
  };
  const among = (names: readonly string[]) => (text: string) => (names.includes(text) ? text : null);

  const standard = known.visual ?? known.visuals[0] ?? "";
  const visual = read("visual", "there is no such picture", among(known.visuals), standard);
  const seed = read("seed", "it must be a whole number from 0 on", parseSeed, DEFAULT_SEED);
  const model = read<string | null>("model", "no model is called so", parseModel, null);
  const mapping = read<MappingChoice | null>(
    "mapping",
    "it must be a projection, a mode and a method, like “pca,across,standard”",
    parseMapping,
    null,
  );
  const share = (text: string) => parseNumber(text, 0, 1);
  const attack = read<number | undefined>("attack", "it must be a number from 0 to 1", share, undefined);
  const release = read<number | undefined>("release", "it must be a number from 0 to 1", share, undefined);
  const interpolation = read<Interpolation | undefined>(
    "glide",
    "it must be 0 or 1",
    (text) => INTERPOLATIONS.find((name) => GLIDE[name] === text) ?? null,
    undefined,
  );
  const most = MAX_LOOK_AHEAD_SECONDS * 1000;
  const ahead = read<number | undefined>(
    "ahead",
    `it must be a number of milliseconds from ${-most} to ${most}`,
    (text) => parseNumber(text, -most, most),
    undefined,
  );
  const wires = read<readonly Wire[] | null>(
    "wires",
    `it must be ${N_WIRES} entries like “3”, “3~” or “3=0.25”, with each of the numbers 0 to 9 once`,
    parseWires,
    null,
  );
  const track = read<string | null>("track", "it must be a title", (text) => cleanTitle(text) || null, null);
  const time: TimeChoice = {
    ...(attack === undefined ? {} : { attack }),
    ...(release === undefined ? {} : { release }),
    ...(interpolation === undefined ? {} : { interpolation }),
    // Adding 0 makes -0, which no address needs, 0.
    ...(ahead === undefined ? {} : { lookAheadSeconds: Math.round(ahead * 1e3) / 1e6 + 0 }),
  };
  return { look: { visual, seed, model, mapping, time, wires }, track, problems };
}

function writeWire({ source, inverted, held }: Wire): string {
  return `${source}${inverted ? "~" : ""}${held === null ? "" : `=${held}`}`;
}

function parseWires(text: string): readonly Wire[] | null {
  const wires = text.split(",").map((entry): Wire | null => {
    const [, source, inverted, held] = /^(\d)(~?)(?:=(.+))?$/.exec(entry) ?? [];
    if (source === undefined) return null;
    const value = held === undefined ? null : parseNumber(held, 0, 1);
    if (held !== undefined && value === null) return null;
    return { source: Number(source), inverted: inverted === "~", held: value };
  });
  const understood = wires.filter((wire) => wire !== null);
  const sources = new Set(understood.map(({ source }) => source));
  return wires.length === N_WIRES && sources.size === N_WIRES ? understood : null;
}

function parseSeed(text: string): number | null {
  const seed = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(seed) ? seed : null;
}

/** Which models there are is only known once the server has answered. */
function parseModel(text: string): string | null {
  return text.length <= MAX_NAME_LENGTH && /^[a-z0-9-]+$/.test(text) ? text : null;
}

function parseMapping(text: string): MappingChoice | null {
  const [projectionName, modeName, methodName, ...others] = text.split(",");
  const projection = PROJECTIONS.find((name) => name === projectionName);
  const mode = SCALING_MODES.find((name) => name === modeName);
  const method = METHODS.find((name) => name === methodName);
  return projection && mode && method && others.length === 0 ? { projection, mode, method } : null;
}

function parseNumber(text: string, low: number, high: number): number | null {
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) return null;
  const value = Number(text);
  return value >= low && value <= high ? value : null;
}

/** One line, of bounded length, cut between characters. */
function cleanTitle(title: string): string {
  const line = title
    .replace(/[\p{C}\s]+/gu, " ")
    .trim()
    .slice(0, MAX_TITLE_LENGTH);
  return line.replace(/[\uD800-\uDBFF]$/, "").trimEnd();
}

function quote(text: string): string {
  const clean = cleanTitle(text);
  return clean.length > MAX_QUOTED_LENGTH ? `${clean.slice(0, MAX_QUOTED_LENGTH)}…` : clean;
}

/** Commas, equals signs and blanks need no percent signs in a query's values: people read addresses, too. */
function encode(value: string): string {
  return encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3D", "=").replaceAll("%20", "+");
}
