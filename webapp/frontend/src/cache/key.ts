import type { Bundle } from "../bundle";

/** `crypto.subtle` copies what it is given and takes no streams: long tracks are hashed in pieces. */
const PIECE_SAMPLES = 2 ** 22;

type Encoding = Pick<Bundle, "audio" | "frontend" | "encoders" | "files">;

/**
 * What a track's encodings hang on: its samples, and of the model everything that computes them. How they become
 * parameters does not count, nor do the model's name and version, nor on what it computes.
 *
 * The samples rather than the file: the same music in another wrapping is found as well, and browsers that decode
 * otherwise than they did do not get numbers of other samples.
 *
 * @param pcm mono at the bundle's rate
 * @returns null where the browser gives no `crypto.subtle`, as on an http page from another machine
 */
export async function encodingKey(
  { audio, frontend, encoders, files }: Encoding,
  pcm: Float32Array,
): Promise<string | null> {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  if (subtle === undefined) return null;
  const digest = async (bytes: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>) =>
    Array.from(new Uint8Array(await subtle.digest("SHA-256", bytes)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
  const pieces: string[] = [];
  for (let first = 0; first < pcm.length; first += PIECE_SAMPLES) {
    pieces.push(await digest(pcm.slice(first, first + PIECE_SAMPLES)));
  }
  const folders = encoders.map(({ model }) => model.slice(0, model.lastIndexOf("/") + 1));
  const graphs = Object.entries(files)
    .filter(([path]) => folders.some((folder) => path.startsWith(folder)))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const { digest: frontendDigest, padSamples, overlapHops } = frontend;
  const identity = { audio, frontendDigest, padSamples, overlapHops, encoders, graphs, pieces };
  return digest(new TextEncoder().encode(JSON.stringify(identity)));
}
