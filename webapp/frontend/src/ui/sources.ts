import type { FmaTrack } from "../library/fma";
import { keepOffline } from "../offline/offline";
import { titleOfFile } from "../player/format";
import { ToldError } from "../told-error";

/** Something that can be opened: a person's file, one of our demo tracks or one of the server's FMA tracks. */
export interface TrackSource {
  readonly title: string;
  readonly artist: string | null;
  /** Its bytes; may be asked for again. */
  read(signal: AbortSignal): Promise<File | ArrayBuffer>;
}

export interface DemoTrack {
  /** Address relative to the list. */
  readonly file: string;
  readonly title: string;
  readonly artist: string;
  readonly genre: string;
  readonly durationSeconds: number;
}

/** A track or a list of tracks that the server does not hand out. */
export class FetchError extends ToldError {
  constructor(what: string, status: number | null, options?: ErrorOptions) {
    const detail = status === null ? "the server cannot be reached" : `the server answers ${status}`;
    super(`${what} cannot be loaded: ${detail}. Try again, or open a file of your own.`, options);
    this.name = "FetchError";
  }
}

export function fileSource(file: File): TrackSource {
  return { title: titleOfFile(file.name), artist: null, read: () => Promise.resolve(file) };
}

export function demoSource(track: DemoTrack, listUrl: string): TrackSource {
  return serverSource(track, new URL(track.file, listUrl).href);
}

/** @param indexUrl address of the index that lists the track: the audio lies beside it */
export function fmaSource(track: FmaTrack, indexUrl: string): TrackSource {
  return serverSource(track, new URL(`${track.id}.mp3`, indexUrl).href);
}

function serverSource({ title, artist }: Pick<TrackSource, "title" | "artist">, url: string): TrackSource {
  return {
    title,
    artist,
    read: async (signal) => {
      const bytes = await (await request(url, `“${title}”`, signal)).arrayBuffer();
      void keepOffline([url]); // demo tracks; FMA's are passed over
      return bytes;
    },
  };
}

export async function fetchDemoTracks(listUrl: string): Promise<readonly DemoTrack[]> {
  const response = await request(listUrl, "The list of demo tracks");
  return parseDemoTracks(await response.json());
}

/** The list as the server hands it out, less what is malformed: a bad entry must not hide the others. */
export function parseDemoTracks(list: unknown): readonly DemoTrack[] {
  if (!isRecord(list) || list.schema_version !== 1 || !Array.isArray(list.tracks)) return [];
  return (list.tracks as readonly unknown[]).flatMap((entry) => {
    if (!isRecord(entry)) return [];
    const { file, title, artist, genre, duration_seconds: durationSeconds } = entry;
    if (typeof file !== "string" || !/^[\w.-]+(\/[\w.-]+)*$/.test(file) || file.includes("..")) return [];
    if (typeof title !== "string" || typeof artist !== "string" || typeof genre !== "string") return [];
    return [{ file, title, artist, genre, durationSeconds: Number(durationSeconds) || 0 }];
  });
}

async function request(url: string, what: string, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw new FetchError(what, null, { cause: error });
  }
  if (!response.ok) throw new FetchError(what, response.status);
  return response;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
