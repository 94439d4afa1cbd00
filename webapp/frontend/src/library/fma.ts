/** The index of FMA tracks that the server has (webapp/fma.py): fetched within bounds, and validated. */

const SCHEMA_VERSION = 1;
/** All of FMA, 106,574 tracks, takes 8 MB. */
const MAX_BYTES = 64 * 2 ** 20;
const MAX_TRACKS = 200_000;
const MAX_NAMES = 100_000;
const MAX_NAME_LENGTH = 300;
const MAX_ID = 999_999;
const MAX_SECONDS = 24 * 3600;

export interface FmaTrack {
  readonly id: number;
  readonly title: string;
  /** Null where FMA does not tell. */
  readonly artist: string | null;
  readonly genre: string | null;
  readonly licence: string | null;
  /** Of the audio that is there; 0 where unknown. */
  readonly durationSeconds: number;
}

export interface FmaIndex {
  /** By artist and title. */
  readonly tracks: readonly FmaTrack[];
  /** In the order of the alphabet. */
  readonly genres: readonly string[];
}

/** The server's list of tracks cannot be used; the message says why and how to go on, for people. */
export class FmaIndexError extends Error {
  constructor(problem: string, options?: ErrorOptions) {
    super(`The list of FMA tracks ${problem}.`, options);
    this.name = "FmaIndexError";
  }
}

/**
 * @param url address of the index
 * @returns null where the server has no FMA
 * @throws FmaIndexError when the index cannot be fetched or is malformed
 */
export async function fetchFmaIndex(url: string, signal?: AbortSignal): Promise<FmaIndex | null> {
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw new FmaIndexError("cannot be loaded: the server cannot be reached. Try again", { cause: error });
  }
  if (!response.ok) {
    await response.body?.cancel();
    if (response.status === 404) return null;
    throw new FmaIndexError(`cannot be loaded: the server answers ${response.status}. Try again`);
  }
  const index = parseFmaIndex(await readText(response, signal));
  return index.tracks.length > 0 ? index : null;
}

async function readText(response: Response, signal: AbortSignal | undefined): Promise<string> {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let text = "";
  let nBytes = 0;
  try {
    for (;;) {
      const chunk = await reader?.read();
      if (chunk?.value === undefined) return text + decoder.decode();
      nBytes += chunk.value.byteLength;
      if (nBytes > MAX_BYTES) break;
      text += decoder.decode(chunk.value, { stream: true });
    }
    await reader?.cancel();
  } catch (error) {
    signal?.throwIfAborted();
    throw new FmaIndexError("broke off while it was loaded. Try again", { cause: error });
  }
  throw new FmaIndexError("is longer than 64 MiB, which no FMA folder needs. Restart the server");
}

/** @throws FmaIndexError for what is not an index; a malformed track alone is left out */
export function parseFmaIndex(text: string): FmaIndex {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw malformed("is not JSON", error);
  }
  if (typeof content !== "object" || content === null) throw malformed("is no object");
  const { schema_version: version, tracks: rows } = content as Readonly<Record<string, unknown>>;
  if (version !== SCHEMA_VERSION) {
    throw new FmaIndexError(
      `is of version ${String(version)} where this page reads ${SCHEMA_VERSION}. Reload the page`,
    );
  }
  const [genres, artists, licences] = (["genres", "artists", "licences"] as const).map((field) =>
    namesOf((content as Readonly<Record<string, unknown>>)[field], field),
  ) as [readonly string[], readonly string[], readonly string[]];
  if (!Array.isArray(rows) || rows.length > MAX_TRACKS) {
    throw malformed(`has no tracks, or more than ${MAX_TRACKS}`);
  }
  const known = new Set<number>();
  const tracks = (rows as readonly unknown[]).flatMap((row) => {
    if (!Array.isArray(row)) return [];
    const [id, artist, genre, title, seconds, licence] = row as readonly unknown[];
    if (!isWhole(id, MAX_ID) || known.has(id) || !isName(title) || !isWhole(seconds, MAX_SECONDS)) return [];
    known.add(id);
    return [
      {
        id,
        title,
        artist: nameAt(artists, artist),
        genre: nameAt(genres, genre),
        licence: nameAt(licences, licence),
        durationSeconds: seconds,
      },
    ];
  });
  return { tracks, genres };
}

function namesOf(list: unknown, field: string): readonly string[] {
  if (!Array.isArray(list) || list.length > MAX_NAMES || !list.every(isName)) {
    throw malformed(`has no usable ${field}`);
  }
  return list;
}

function nameAt(names: readonly string[], place: unknown): string | null {
  return typeof place === "number" ? (names[place] ?? null) : null;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_NAME_LENGTH;
}

function isWhole(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function malformed(problem: string, cause?: unknown): FmaIndexError {
  return new FmaIndexError(`cannot be read: it ${problem}. Restart the server, then reload the page`, {
    cause,
  });
}
