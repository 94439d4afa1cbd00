import { beforeEach, expect, test, vi } from "vitest";
import { Keeper } from "./keeper";

const SITE = "https://example.org/some/where/";
const BUILD = { version: "1", files: ["assets/a-1.js", "favicon.svg"] };
const PAGE = '<script src="./assets/a-1.js">';

/** As much of the browser's caches as is used, in the order in which things were put there. */
class Shelf {
  readonly entries = new Map<string, { readonly body: Blob; readonly headers: Headers }>();

  match(address: string): Promise<Response | undefined> {
    const found = this.entries.get(address);
    return Promise.resolve(found && new Response(found.body, { headers: found.headers }));
  }
  async put(address: string, response: Response): Promise<void> {
    this.entries.delete(address);
    this.entries.set(address, { body: await response.blob(), headers: response.headers });
  }
  keys(): Promise<readonly { readonly url: string }[]> {
    return Promise.resolve([...this.entries.keys()].map((url) => ({ url })));
  }
  delete(address: string): Promise<boolean> {
    return Promise.resolve(this.entries.delete(address));
  }
}

class Shelves {
  readonly shelves = new Map<string, Shelf>();

  open(name: string): Promise<Shelf> {
    const shelf = this.shelves.get(name) ?? new Shelf();
    this.shelves.set(name, shelf);
    return Promise.resolve(shelf);
  }
  async match(address: string, { cacheName }: { readonly cacheName: string }): Promise<Response | undefined> {
    return this.shelves.get(cacheName)?.match(address);
  }
  keys(): Promise<readonly string[]> {
    return Promise.resolve([...this.shelves.keys()]);
  }
  delete(name: string): Promise<boolean> {
    return Promise.resolve(this.shelves.delete(name));
  }
  kept(): string[] {
    const all = [...this.shelves.values()].flatMap(({ entries }) => [...entries.keys()]);
    return all.map((address) => address.replace(SITE, "")).sort();
  }
}

let shelves: Shelves;
let server: Record<string, string>;
let online: boolean;
let asked: string[];

const network = (input: RequestInfo | URL): Promise<Response> => {
  const address = input instanceof Request ? input.url : String(input);
  const path = address.replace(SITE, "").replace(/[?#].*/, "");
  asked.push(path);
  if (!online) return Promise.reject(new TypeError("Failed to fetch"));
  const body = server[path];
  return Promise.resolve(body === undefined ? new Response("no", { status: 404 }) : new Response(body));
};

const keeper = (build = BUILD): Keeper =>
  new Keeper(SITE, build, shelves as unknown as CacheStorage, network);

function request(
  path: string,
  { destination = "", ...init }: RequestInit & { destination?: string } = {},
): Request {
  return Object.defineProperty(new Request(SITE + path, init), "destination", { value: destination });
}

async function answer(of: Keeper, path: string, init?: Parameters<typeof request>[1]): Promise<string> {
  const response = await of.answer(request(path, init));
  return response === null ? "not ours" : `${response.status} ${await response.text()}`;
}

beforeEach(() => {
  shelves = new Shelves();
  online = true;
  asked = [];
  server = {
    "": PAGE,
    "assets/a-1.js": "a",
    "favicon.svg": "icon",
    "registry/index.json": "models",
    "tracks/index.json": "tracks",
    "registry/ae/1/manifest.json": "manifest",
    "registry/ae/1/mappings.json": "mappings",
    "tracks/rock.mp3": "rock music",
  };
});

const MODEL = [`${SITE}registry/ae/1/manifest.json`, `${SITE}registry/ae/1/mappings.json`];

test("what was kept is there without network", async () => {
  const kept = keeper();
  await kept.keep([...MODEL, `${SITE}tracks/rock.mp3`]);
  expect(shelves.kept()).toEqual(Object.keys(server).sort());
  online = false;
  for (const [path, body] of Object.entries(server)) expect(await answer(kept, path)).toBe(`200 ${body}`);
  expect(await answer(kept, "?visual=real")).toBe(`200 ${PAGE}`);
  expect(await answer(kept, "index.html")).toBe(`200 ${PAGE}`);
  expect(await answer(kept, "tracks/rock.mp3", { headers: { Range: "bytes=5-" } })).toBe("206 music");
});

test("with network, what may change is asked for, and what cannot is not", async () => {
  const kept = keeper();
  await kept.keep(MODEL);
  asked = [];
  server[""] = "newer";
  server["registry/index.json"] = "more models";
  expect(await answer(kept, "")).toBe("200 newer");
  expect(await answer(kept, "registry/index.json")).toBe("200 more models");
  expect(await answer(kept, "assets/a-1.js")).toBe("200 a");
  expect(await answer(kept, "registry/ae/1/mappings.json")).toBe("200 mappings");
  expect(asked).toEqual(["", "registry/index.json"]);
  // The newer page may need what is not here: without network there is the complete one.
  online = false;
  expect(await answer(kept, "")).toBe(`200 ${PAGE}`);
});

test("a network that does not answer counts as gone where there is a copy", async () => {
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation(() => AbortSignal.abort());
  const aborted = new AbortController();
  timeout.mockImplementation(() => aborted.signal);
  const silent = new Keeper(
    SITE,
    BUILD,
    shelves as unknown as CacheStorage,
    () => new Promise(() => undefined),
  );
  await keeper().keep([]);
  const late = answer(silent, "registry/index.json");
  await vi.waitFor(() => expect(timeout).toHaveBeenCalled());
  aborted.abort();
  expect(await late).toBe("200 models");
  timeout.mockRestore();
});

test("what was not kept fails as without a worker, documents in words", async () => {
  const kept = keeper();
  await kept.keep(MODEL);
  online = false;
  await expect(answer(kept, "tracks/rock.mp3")).rejects.toThrow("Failed to fetch");
  await expect(answer(kept, "registry/other/1/manifest.json")).rejects.toThrow("Failed to fetch");
  expect(await answer(kept, "check/", { destination: "document" })).toMatch(/^503 .*needs the network/);
});

test("a manifest that was made anew takes the files of the old one with it", async () => {
  const kept = keeper();
  await kept.keep(MODEL);
  server["registry/ae/1/manifest.json"] = "another manifest";
  server["registry/ae/1/mappings.json"] = "other mappings";
  expect(await answer(kept, "registry/ae/1/manifest.json")).toBe("200 another manifest");
  expect(await answer(kept, "registry/ae/1/mappings.json")).toBe("200 other mappings");
});

test("an older build stays until a newer one is complete", async () => {
  await keeper().keep([]);
  const newer = keeper({ version: "2", files: ["assets/b-2.js"] });
  await expect(newer.keep([])).rejects.toThrow("HTTP 404");
  server["assets/b-2.js"] = "b";
  await expect(newer.keep([])).rejects.toThrow("another build: it names assets/a-1.js");
  online = false;
  expect(await answer(newer, "")).toBe(`200 ${PAGE}`);
  expect(await answer(newer, "assets/a-1.js")).toBe("200 a");
  online = true;
  server[""] = '<script src="./assets/b-2.js">';
  await newer.keep([]);
  expect(shelves.kept()).toEqual(["", "assets/b-2.js", "registry/index.json", "tracks/index.json"]);
});

test("a track that is kept again is as the server has it now", async () => {
  const kept = keeper();
  await kept.keep([`${SITE}tracks/rock.mp3`]);
  server["tracks/rock.mp3"] = "new";
  await kept.keep([`${SITE}tracks/rock.mp3`]);
  online = false;
  expect(await answer(kept, "tracks/rock.mp3")).toBe("200 new");
  await expect(kept.keep([`${SITE}tracks/rock.mp3`])).rejects.toThrow();
  expect(await answer(kept, "tracks/rock.mp3")).toBe("200 new");
});

test("there is an end to what is kept: the oldest tracks go", async () => {
  const kept = keeper();
  const size = vi.spyOn(Blob.prototype, "size", "get").mockReturnValue(50 * 2 ** 20);
  for (const name of ["a", "b", "c"]) {
    server[`tracks/${name}.mp3`] = name;
    await kept.keep([`${SITE}tracks/${name}.mp3`]);
  }
  size.mockRestore();
  expect(shelves.kept().filter((path) => path.endsWith(".mp3"))).toEqual(["tracks/b.mp3", "tracks/c.mp3"]);
});

test("addresses of elsewhere are not kept, and not answered", async () => {
  const kept = keeper();
  await kept.keep(["https://example.com/tracks/a.mp3", `${SITE}fma/2.mp3`]);
  expect(asked.filter((path) => path.endsWith(".mp3"))).toEqual([]);
  expect(await answer(kept, "fma/2.mp3")).toBe("not ours");
  expect(await answer(kept, "", { method: "POST" })).toBe("not ours");
});

test("documents and scripts of workers are isolated, kept or not", async () => {
  const kept = keeper();
  await kept.keep([]);
  server["check/"] = "check";
  const headersOf = async (path: string, destination: string) =>
    (await kept.answer(request(path, { destination })))?.headers.get("Cross-Origin-Embedder-Policy");
  expect(await headersOf("", "document")).toBe("require-corp");
  expect(await headersOf("check/", "document")).toBe("require-corp");
  expect(await headersOf("assets/a-1.js", "worker")).toBe("require-corp");
  expect(await headersOf("assets/a-1.js", "script")).toBeNull();
  online = false;
  expect(await headersOf("", "document")).toBe("require-corp");
});
