/** Parts of a file that is kept whole: players ask for those, above all to seek. */

export interface ByteRange {
  readonly first: number;
  /** Inclusive, as in the header. */
  readonly last: number;
}

/**
 * Read a Range header.
 *
 * @returns "whole" where the header asks for nothing that must be understood, null where it asks for what is not there
 */
export function readRange(header: string, size: number): ByteRange | "whole" | null {
  const [, from = "", to = ""] = /^\s*bytes=(\d{0,15})-(\d{0,15})\s*$/i.exec(header) ?? [];
  if (from === "" && to === "") return "whole";
  if (from === "") {
    const length = Math.min(Number(to), size);
    return length === 0 ? null : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  const last = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== "" && Number(to) < first) return "whole";
  return first >= size ? null : { first, last };
}

/** What a server that knows ranges would have answered. */
export async function answerRange(whole: Response, header: string | null): Promise<Response> {
  if (header === null) return whole;
  const blob = await whole.blob();
  const range = readRange(header, blob.size);
  const headers = new Headers(whole.headers);
  headers.delete("Content-Encoding"); // the copy is decoded
  headers.set("Accept-Ranges", "bytes");
  if (range === "whole") return new Response(blob, { headers });
  if (range === null) {
    headers.set("Content-Range", `bytes */${blob.size}`);
    headers.set("Content-Length", "0");
    return new Response(null, { status: 416, statusText: "Range Not Satisfiable", headers });
  }
  const { first, last } = range;
  headers.set("Content-Range", `bytes ${first}-${last}/${blob.size}`);
  headers.set("Content-Length", String(last - first + 1));
  return new Response(blob.slice(first, last + 1), { status: 206, statusText: "Partial Content", headers });
}
