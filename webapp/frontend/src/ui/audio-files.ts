import { listNames } from "../player/format";

/** Which of the files that a person hands over can be heard; folders among them are walked through. */

/** What to ask the browser about, by the extension; files of other names go by the type that the system gives them. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ["mp3", "audio/mpeg"],
  ["wav", "audio/wav"],
  ["flac", "audio/flac"],
  ["ogg", "audio/ogg"],
  ["oga", "audio/ogg"],
  ["opus", 'audio/ogg; codecs="opus"'],
  ["m4a", "audio/mp4"],
  ["mp4", "audio/mp4"],
  ["aac", "audio/aac"],
  ["weba", "audio/webm"],
  ["webm", "audio/webm"],
  ["aif", "audio/aiff"],
  ["aiff", "audio/aiff"],
]);
/** Lists and notes, which have no sound in them. */
const NOT_SOUND = /^audio\/((x-)?mpegurl|x-scpls|(x-)?midi?)$/;
/** Nobody's music is deeper; links may go round in circles. */
const MAX_DEPTH = 12;
const MAX_FILES = 50_000;

export interface AudioFiles {
  /** In the order in which people number them. */
  readonly audio: readonly File[];
  /** What is no audio, or none that this browser plays; without the system's own files. */
  readonly others: readonly File[];
}

export function audioAmong(files: readonly File[]): AudioFiles {
  const player = new Audio();
  // What begins with a dot is the system's own, whatever it is called.
  const visible = files.filter(({ name }) => !name.startsWith("."));
  const audio = new Set(visible.filter((file) => isAudio(file, player)));
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  return {
    audio: [...audio].sort((a, b) => compare(pathOf(a), pathOf(b))),
    others: visible.filter((file) => !audio.has(file)),
  };
}

function isAudio({ name, type, size }: File, player: HTMLAudioElement): boolean {
  if (size === 0) return false;
  const known = TYPES.get(/\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? "");
  if (!known && (!type.startsWith("audio/") || NOT_SOUND.test(type))) return false;
  return player.canPlayType(known ?? type) !== "";
}

function pathOf(file: File): string {
  return file.webkitRelativePath || file.name;
}

/** What became of files that were added, for people. */
export function speakAdded({ audio, others }: AudioFiles): string {
  if (audio.length === 0 && others.length === 0) return "The folder is empty.";
  const added =
    audio.length === 0
      ? "There is nothing to play."
      : `Added ${audio.length} ${audio.length === 1 ? "track" : "tracks"}.`;
  if (others.length === 0) return added;
  return `${added} Skipped ${listNames(others.map(({ name }) => name))}: not audio that this browser plays.`;
}

/**
 * All files of a drop, those in folders too. Call it in the handler of the event: the browser forgets the drop after it.
 */
export function filesOfDrop(data: DataTransfer): Promise<readonly File[]> {
  const plain = [...data.files];
  const entries = [...data.items].flatMap((item) => {
    const entry = item.kind === "file" ? item.webkitGetAsEntry() : null;
    return entry ? [entry] : [];
  });
  return entries.some(({ isDirectory }) => isDirectory) ? filesIn(entries) : Promise.resolve(plain);
}

/** The files of folders and of all folders in them; what cannot be read is left out. */
export async function filesIn(entries: readonly FileSystemEntry[]): Promise<readonly File[]> {
  const files: File[] = [];
  let folders: readonly FileSystemEntry[] = entries;
  for (let depth = 0; depth < MAX_DEPTH && folders.length > 0; depth++) {
    const deeper: FileSystemEntry[] = [];
    for (const entry of folders) {
      if (files.length >= MAX_FILES) return files;
      if (isFile(entry)) files.push(...(await fileOf(entry)));
      else if (isFolder(entry)) deeper.push(...(await childrenOf(entry)));
    }
    folders = deeper;
  }
  return files;
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function fileOf(entry: FileSystemFileEntry): Promise<readonly File[]> {
  return new Promise((resolve) =>
    entry.file(
      (file) => resolve([file]),
      () => resolve([]),
    ),
  );
}

async function childrenOf(folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = folder.createReader();
  const children: FileSystemEntry[] = [];
  // Browsers tell a hundred at a time, and none at the end.
  for (;;) {
    const some = await new Promise<readonly FileSystemEntry[]>((resolve) =>
      reader.readEntries(resolve, () => resolve([])),
    );
    if (some.length === 0 || children.length >= MAX_FILES) return children;
    children.push(...some);
  }
}
