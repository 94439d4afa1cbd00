/** What lies where on the site, and with that how long a copy of it holds. */

export type Place =
  /** The document: names the assets of one build. */
  | "page"
  /** Named by its own hash, or as good as that: what the page is made of. */
  | "asset"
  /** Registry or demo tracks; changes when something is added. */
  | "list"
  /** Of a pushed version, which never changes, unless somebody makes the registry anew. */
  | "manifest"
  /** Belongs to a manifest, or is called by its own digest. */
  | "model"
  | "track"
  | "elsewhere";

const LISTS = ["registry/index.json", "tracks/index.json"];
const PLACES: readonly (readonly [RegExp, Place])[] = [
  [/^(index\.html)?$/, "page"],
  [/^assets\/./, "asset"],
  [/^registry\/[^/]+\/[0-9]+\/manifest\.json$/, "manifest"],
  [/^registry\/([^/]+\/[0-9]+|frontends\/[0-9a-f]{64})\/./, "model"],
  [/^tracks\/./, "track"],
];

/**
 * Where an address of the site lies.
 *
 * @param site address of the page's folder
 * @param assets what the page is made of, relative to it
 */
export function placeOf(address: string, site: string, assets: readonly string[]): Place {
  const url = new URL(address);
  const folder = new URL(site);
  if (url.origin !== folder.origin || !url.pathname.startsWith(folder.pathname)) return "elsewhere";
  const path = url.pathname.slice(folder.pathname.length);
  if (LISTS.includes(path)) return "list";
  if (assets.includes(path)) return "asset";
  return PLACES.find(([pattern]) => pattern.test(path))?.[1] ?? "elsewhere";
}

export function listsOf(site: string): readonly string[] {
  return LISTS.map((path) => new URL(path, site).href);
}

/** An address as it is kept: what follows the path (settings of the page) makes no difference to what is sent. */
export function withoutQuery(address: string): string {
  const { origin, pathname } = new URL(address);
  return origin + pathname;
}
