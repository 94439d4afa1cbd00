/** Which of the files that a person hands over can be heard; folders among them are walked through. */

const EXTENSIONS = /\.(mp3|wav|flac|ogg|oga|opus|m4a|mp4|aac|weba|webm|aiff?)$/i;
/** Lists and notes, which have no sound in them. */
const NOT_SOUND = /^audio\/((x-)?mpegurl|x-scpls|(x-)?midi?)$/;
/** Nobody's music is deeper; links may go round in circles. */
const MAX_DEPTH = 12;
const MAX_FILES = 50_000;

export interface AudioFiles {
  /** In the order in which people number them. */
  readonly audio: readonly File[];
  /** How many were no audio. */
  readonly nOthers: number;
}

export function audioAmong(files: readonly File[]): AudioFiles {
  const audio = files.filter(isAudio);
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  return { audio: audio.sort((a, b) => compare(pathOf(a), pathOf(b))), nOthers: files.length - audio.length };
}

function isAudio({ name, type, size }: File): boolean {
  // What begins with a dot is the system's own, whatever it is called.
  if (name.startsWith(".") || size === 0) return false;
  return EXTENSIONS.test(name) || (type.startsWith("audio/") && !NOT_SOUND.test(type));
}

function pathOf(file: File): string {
  return file.webkitRelativePath || file.name;
}

/** What became of files that were added, for people. */
export function speakAdded({ audio, nOthers }: AudioFiles): string {
  const others = nOthers === 1 ? "1 other file is" : `${nOthers} other files are`;
  if (audio.length === 0) return nOthers === 0 ? "There is no file in it." : `No audio: ${others} left out.`;
  const added = audio.length === 1 ? "1 track is added." : `${audio.length} tracks are added.`;
  return nOthers === 0 ? added : `${added} ${others} left out: no audio.`;
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
