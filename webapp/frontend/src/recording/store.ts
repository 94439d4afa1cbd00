import type { StreamTargetChunk, Target } from "mediabunny";
import { RecordingError } from "./error";
import type { Muxer } from "./muxer";

/** Written in pieces of this size, so that the disk is not asked for every frame. */
const CHUNK_BYTES = 4 * 2 ** 20;

/** What is kept in memory is there twice while it is put together. */
export const MAX_MEMORY_BYTES = 512 * 2 ** 20;

/** Where a recording goes. */
export interface Store {
  readonly target: Target;
  /** The whole of it; on disk a File. */
  finish(mimeType: string): Promise<Blob>;
  /** Leave nothing behind. */
  discard(): Promise<void>;
}

export function memoryStore(muxer: Muxer): Store {
  const target = new muxer.BufferTarget();
  return {
    target,
    finish: (type) => Promise.resolve(new Blob([target.buffer ?? new ArrayBuffer(0)], { type })),
    discard: () => Promise.resolve(),
  };
}

/** Where the browser can take back a file that it has made. */
type RemovableHandle = FileSystemFileHandle & { remove?: () => Promise<void> };

/**
 * A file that the person has chosen. What was in it stays until all of the recording is there.
 *
 * @throws RecordingError when it cannot be written
 */
export async function fileStore(muxer: Muxer, handle: RemovableHandle): Promise<Store> {
  let wasEmpty: boolean;
  let stream: FileSystemWritableFileStream;
  try {
    wasEmpty = (await handle.getFile()).size === 0;
    stream = await handle.createWritable();
  } catch (error) {
    throw notWritten(error);
  }
  // The muxer closes what it is given even when it is cancelled, and closing would keep half a video.
  const sink = new WritableStream<StreamTargetChunk>({
    write: (chunk) =>
      stream.write(chunk).catch((error: unknown) => {
        throw notWritten(error);
      }),
  });
  return {
    target: new muxer.StreamTarget(sink, { chunked: true, chunkSize: CHUNK_BYTES }),
    finish: async () => {
      try {
        await stream.close();
        return await handle.getFile();
      } catch (error) {
        throw notWritten(error);
      }
    },
    discard: async () => {
      await stream.abort();
      // The browser made an empty file when the person named it.
      if (wasEmpty) await handle.remove?.();
    },
  };
}

function notWritten(error: unknown): RecordingError {
  if (error instanceof DOMException && error.name === "QuotaExceededError") {
    return new RecordingError(
      "no-space",
      "There is no room for the video. Make some, or choose a smaller picture.",
      {
        cause: error,
      },
    );
  }
  return new RecordingError("not-written", "The file cannot be written. Choose another place or name.", {
    cause: error,
  });
}
