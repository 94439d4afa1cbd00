import { isolated, needsIsolation } from "./isolated";
import { listsOf, placeOf, withoutQuery, type Place } from "./places";
import { answerRange } from "./range";

/** What the page is made of: written by the build (vite.config.ts). */
export interface Build {
  /** Other files, other version. */
  readonly version: string;
  /** Relative to the page, without the document itself. */
  readonly files: readonly string[];
}

/** Where the copy is at hand, a network that says nothing for so long counts as gone. */
const PATIENCE_MS = 4_000;
const MAX_MODEL_BYTES = 256 * 2 ** 20;
const MAX_TRACK_BYTES = 128 * 2 ** 20;
const MAX_ADDRESSES = 1_000;

type Shelf = "lists" | "models" | "tracks";

/**
 * Copies of what the page needs, and answers from them when the network is gone. It keeps what it is told to and
 * nothing that merely passes, so that its caches hold complete things only.
 */
export class Keeper {
  readonly #site: string;
  readonly #build: Build;
  readonly #caches: CacheStorage;
  readonly #fetch: typeof fetch;
  /** Keeping, one order after the other. */
  #orders: Promise<unknown> = Promise.resolve();

  /** @param site address of the page's folder */
  constructor(site: string, build: Build, caches: CacheStorage, fetch: typeof globalThis.fetch) {
    this.#site = site;
    this.#build = build;
    this.#caches = caches;
    this.#fetch = fetch;
  }

  /** Null: none of our business, the browser asks the network itself. */
  answer(request: Request): Promise<Response> | null {
    if (request.method !== "GET") return null;
    const place = placeOf(request.url, this.#site, this.#build.files);
    const isolates = needsIsolation(request) && request.url.startsWith(this.#site);
    if (place === "elsewhere" && !isolates) return null;
    const answer = this.#answerFrom(place, request);
    return isolates ? answer.then(isolated) : answer;
  }

  /**
   * Keep the page, the lists, and these addresses of models and tracks; others are passed over.
   *
   * @throws Error when something cannot be fetched or there is no room; what was kept before stays
   */
  keep(addresses: readonly string[]): Promise<void> {
    const order = this.#orders.then(() => this.#keep(addresses));
    this.#orders = order.catch(() => undefined); // it is for the one who gave this order; the next begins anyway
    return order;
  }

  // ------------------------------------------------------------------------------------------------------ answering

  async #answerFrom(place: Place, request: Request): Promise<Response> {
    const address = withoutQuery(request.url);
    switch (place) {
      case "page":
        return this.#freshOrKept(request, this.#site);
      case "list":
        return this.#freshOrKept(request, address);
      case "manifest":
        return this.#manifest(request, address);
      case "asset":
      case "model":
        return (await this.#kept(address)) ?? this.#fetch(request);
      case "track":
        return this.#track(request, address);
      case "elsewhere":
        return this.#elsewhere(request);
    }
  }

  async #freshOrKept(request: Request, address: string): Promise<Response> {
    const kept = await this.#kept(address);
    if (!kept) return this.#fetch(request);
    const late = new Promise<never>((_, reject) =>
      AbortSignal.timeout(PATIENCE_MS).addEventListener("abort", () => reject(new Error("no answer")), {
        once: true,
      }),
    );
    try {
      return await Promise.race([this.#fetch(request), late]);
    } catch {
      return kept; // the network is gone, which is what the copy is for
    }
  }

  /** A manifest that differs from the kept one comes with other files than those. */
  async #manifest(request: Request, address: string): Promise<Response> {
    const kept = await this.#kept(address);
    const answer = await this.#freshOrKept(request, address);
    if (kept && answer.ok && (await answer.clone().text()) !== (await kept.text())) {
      const models = await this.#shelf("models");
      for (const { url } of await models.keys()) {
        if (url.startsWith(new URL(".", address).href)) await models.delete(url);
      }
    }
    return answer;
  }

  async #track(request: Request, address: string): Promise<Response> {
    try {
      return await this.#fetch(request);
    } catch (error) {
      const kept = await this.#kept(address);
      if (!kept) throw error;
      return answerRange(kept, request.headers.get("Range"));
    }
  }

  async #elsewhere(request: Request): Promise<Response> {
    try {
      return await this.#fetch(request);
    } catch (error) {
      if (request.destination !== "document") throw error;
      const words = `This page needs the network, which cannot be reached. The playground works without: ${this.#site}\n`;
      return new Response(words, { status: 503, headers: { "Content-Type": "text/plain; charset=utf-8" } });
    }
  }

  async #kept(address: string): Promise<Response | undefined> {
    // Of a build, the document is kept last: without it there may be no more than a part of the others.
    for (const cacheName of [this.#pageCache(), ...(await this.#cacheNames())]) {
      const found = await this.#caches.match(address, { cacheName, ignoreVary: true });
      if (found) return found;
    }
    return undefined;
  }

  // -------------------------------------------------------------------------------------------------------- keeping

  async #keep(addresses: readonly string[]): Promise<void> {
    const wanted = [...new Set(addresses.slice(0, MAX_ADDRESSES).map(withoutQuery))];
    const at = (...places: readonly Place[]) =>
      wanted.filter((address) => places.includes(placeOf(address, this.#site, this.#build.files)));
    await this.#keepPage();
    const lists = await this.#shelf("lists");
    // A site need not have both.
    await Promise.all(listsOf(this.#site).map((list) => this.#store(lists, list, { optional: true })));

    const models = await this.#shelf("models");
    const files = at("manifest", "model");
    await Promise.all(files.map((file) => this.#storeOnce(models, file)));
    await trim(models, MAX_MODEL_BYTES, files);

    const tracks = await this.#shelf("tracks");
    const songs = at("track");
    await Promise.all(songs.map((song) => this.#store(tracks, song)));
    await trim(tracks, MAX_TRACK_BYTES, songs);
  }

  /** All of the build, then the document, then away with older builds: there is a complete one at every moment. */
  async #keepPage(): Promise<void> {
    const { files } = this.#build;
    const cache = await this.#caches.open(this.#pageCache());
    if (!(await cache.match(this.#site))) {
      await Promise.all(files.map((file) => this.#storeOnce(cache, new URL(file, this.#site).href)));
      const document = await this.#fetchWhole(this.#site);
      const text = await document.clone().text();
      const foreign = (text.match(/\bassets\/[\w.-]+/g) ?? []).find((asset) => !files.includes(asset));
      if (foreign !== undefined) throw new Error(`The page is of another build: it names ${foreign}.`);
      await cache.put(this.#site, document);
    }
    for (const name of await this.#cacheNames()) {
      if (name.startsWith(this.#cacheName("page")) && name !== this.#pageCache())
        await this.#caches.delete(name);
    }
  }

  async #storeOnce(cache: Cache, address: string): Promise<void> {
    if (await cache.match(address, { ignoreVary: true })) return;
    const response = await this.#fetch(address); // most often the browser still has it
    if (!response.ok) throw new Error(`${address} cannot be kept: HTTP ${response.status}.`);
    await cache.put(address, response);
  }

  async #store(cache: Cache, address: string, { optional = false } = {}): Promise<void> {
    const response = await this.#fetchWhole(address, { optional });
    if (response.ok) await cache.put(address, response);
  }

  /** As the server has it now. */
  async #fetchWhole(address: string, { optional = false } = {}): Promise<Response> {
    const response = await this.#fetch(address, { cache: "no-cache" });
    if (!response.ok && !optional) throw new Error(`${address} cannot be kept: HTTP ${response.status}.`);
    return response;
  }

  // --------------------------------------------------------------------------------------------------------- caches

  /** Other playgrounds of the same origin have caches of their own. */
  #cacheName(what: string): string {
    return `tfdeepviz ${this.#site} ${what}`;
  }

  #pageCache(): string {
    return this.#cacheName(`page ${this.#build.version}`);
  }

  #shelf(shelf: Shelf): Promise<Cache> {
    return this.#caches.open(this.#cacheName(shelf));
  }

  async #cacheNames(): Promise<readonly string[]> {
    return (await this.#caches.keys()).filter((name) => name.startsWith(this.#cacheName("")));
  }
}

/** Drop the oldest until the rest fits, but nothing of what was just asked for. */
async function trim(cache: Cache, maxBytes: number, wanted: readonly string[]): Promise<void> {
  const entries: { readonly url: string; readonly bytes: number }[] = [];
  for (const { url } of await cache.keys()) {
    const kept = await cache.match(url, { ignoreVary: true });
    entries.push({ url, bytes: (await kept?.blob())?.size ?? 0 });
  }
  let surplus = entries.reduce((sum, { bytes }) => sum + bytes, -maxBytes);
  for (const { url, bytes } of entries) {
    if (surplus <= 0) return;
    if (wanted.includes(url)) continue;
    await cache.delete(url);
    surplus -= bytes;
  }
}
