import { useSignal, type Signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";
import type { FmaTrack } from "../library/fma";
import type { Library, LibraryState } from "../library/library";
import { formatTime } from "../player/format";
import { audioAmong, speakAdded } from "./audio-files";
import { Dialog } from "./dialog";
import { CloseIcon, GripIcon, PlusIcon, SoundIcon } from "./icons";
import type { Playlist, PlaylistEntry } from "./playlist";
import { RowList } from "./row-list";
import { fileSource, fmaSource, type TrackSource } from "./sources";

interface LibraryDialogProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly library: Library;
  /** Where the server's index lies; the audio lies beside it. */
  readonly fmaUrl: string;
  readonly playlist: Playlist;
  readonly onPlay: (entry: PlaylistEntry) => void;
  /** Tracks that a person may put on the playlist without having any. */
  readonly demos?: readonly TrackSource[];
  /** What to listen to besides tracks. */
  readonly live?: ComponentChildren;
}

type Tab = "playlist" | "fma" | "live";

/** Where the music comes from: a person's own files, the server's FMA tracks, and what sounds now. */
export function LibraryDialog(props: LibraryDialogProps): JSX.Element {
  const { open, onClose, library, live } = props;
  const chosen = useSignal<Tab>("playlist");
  const said = useSignal("");
  const quest = useQuest();
  const id = useId();
  useEffect(() => {
    if (!open) return;
    said.value = "";
    void library.load();
  }, [open, library, said]);
  const state = library.state.value;
  const tabs: readonly (readonly [Tab, string])[] = [
    ["playlist", "Playlist"],
    ...(state.kind === "ready" || state.kind === "failed" ? [["fma", "FMA tracks"] as const] : []),
    ...(live ? [["live", "Live sound"] as const] : []),
  ];
  const tab = tabs.some(([key]) => key === chosen.value) ? chosen.value : "playlist";
  return (
    <Dialog open={open} title="Music" onClose={onClose}>
      <div class="library">
        <Tabs tabs={tabs} chosen={tab} id={id} onChoose={(key) => (chosen.value = key)} />
        <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${tab}`} class="library-panel">
          {tab === "playlist" && <PlaylistTab {...props} said={said} />}
          {tab === "fma" && <FmaTab {...props} state={state} quest={quest} said={said} />}
          {tab === "live" && live}
        </div>
        <p class="library-said muted" role="status">
          {said.value}
        </p>
      </div>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

interface TabsProps {
  readonly tabs: readonly (readonly [Tab, string])[];
  readonly chosen: Tab;
  readonly id: string;
  readonly onChoose: (tab: Tab) => void;
}

function Tabs({ tabs, chosen, id, onChoose }: TabsProps): JSX.Element {
  const list = useRef<HTMLDivElement>(null);
  const press = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const at = tabs.findIndex(([key]) => key === chosen);
    const next = tabs[(at + by + tabs.length) % tabs.length];
    if (!by || !next) return;
    event.preventDefault();
    onChoose(next[0]);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next[0]}"]`)?.focus();
  };
  return (
    <div ref={list} role="tablist" aria-label="Where the music comes from" class="tabs" onKeyDown={press}>
      {tabs.map(([key, label]) => (
        <button
          key={key}
          type="button"
          role="tab"
          id={`${id}-${key}`}
          class="tab"
          data-tab={key}
          aria-selected={key === chosen}
          aria-controls={`${id}-panel`}
          tabIndex={key === chosen ? 0 : -1}
          autofocus={key === chosen}
          onClick={() => onChoose(key)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

// -------------------------------------------------------------------------------------------------------- playlist

interface PlaylistTabProps extends LibraryDialogProps {
  readonly said: Signal<string>;
}

/** An entry on its way to another place. */
interface Drag {
  readonly id: number;
  readonly to: number;
}

function PlaylistTab({ playlist, onPlay, demos = [], said }: PlaylistTabProps): JSX.Element {
  const entries = playlist.entries.value;
  const currentId = playlist.current.value?.id ?? null;
  const active = useSignal(
    Math.max(
      0,
      entries.findIndex(({ id }) => id === currentId),
    ),
  );
  const drag = useSignal<Drag | null>(null);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const addButton = useRef<HTMLButtonElement>(null);
  const focus = useRef<((row: number, button: number) => void) | null>(null);

  const take = (input: HTMLInputElement) => {
    const chosen = audioAmong([...(input.files ?? [])]);
    input.value = ""; // so that the same files can be chosen again
    playlist.add(chosen.audio.map(fileSource));
    said.value = speakAdded(chosen);
  };
  const remove = (row: number, button: number) => {
    const entry = playlist.entries.peek()[row];
    if (!entry) return;
    playlist.remove(entry.id);
    said.value = `Removed “${entry.source.title}”.`;
    // The button goes with its row: the focus must not be lost with it.
    if (playlist.entries.peek().length === 0) addButton.current?.focus();
    else focus.current?.(Math.min(row, playlist.entries.peek().length - 1), button);
  };
  const move = (id: number, to: number) => {
    playlist.move(id, to);
    const at = playlist.entries.peek().findIndex((entry) => entry.id === id);
    active.value = at;
    said.value = `“${playlist.entries.peek()[at]?.source.title ?? ""}” is now number ${at + 1} of ${entries.length}.`;
  };
  const press = (event: KeyboardEvent, row: number) => {
    const entry = entries[row];
    if (!entry) return false;
    const button = event.target as HTMLElement;
    if (event.key === "Delete") {
      remove(row, 0);
      return true;
    }
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by === 0 || !(event.altKey || button.classList.contains("row-grip"))) return false;
    move(entry.id, Math.max(0, Math.min(entries.length - 1, row + by)));
    return true;
  };

  return (
    <>
      <div class="library-actions">
        <button ref={addButton} type="button" class="button small" onClick={() => files.current?.click()}>
          Add files
        </button>
        {"webkitdirectory" in HTMLInputElement.prototype && (
          <button type="button" class="button small" onClick={() => folder.current?.click()}>
            Add a folder
          </button>
        )}
        {demos.length > 0 && entries.length === 0 && (
          <button
            type="button"
            class="button small"
            onClick={() => {
              said.value = `Added ${playlist.add(demos).length} tracks.`;
            }}
          >
            Add our {demos.length} demo tracks
          </button>
        )}
        {entries.length > 0 && (
          <button
            type="button"
            class="button small"
            onClick={() => {
              playlist.clear();
              addButton.current?.focus();
              said.value = "The playlist is empty.";
            }}
          >
            Clear
          </button>
        )}
        <input
          type="file"
          class="visually-hidden"
          accept="audio/*,.mp3,.wav,.flac,.ogg,.oga,.opus,.m4a,.aac"
          multiple
          tabIndex={-1}
          aria-label="Audio files for the playlist"
          ref={files}
          onChange={(event) => take(event.currentTarget)}
        />
        <input
          type="file"
          class="visually-hidden"
          tabIndex={-1}
          aria-label="Folder for the playlist"
          ref={(input) => {
            folder.current = input;
            if (input) input.webkitdirectory = true;
          }}
          onChange={(event) => take(event.currentTarget)}
        />
      </div>
      {entries.length === 0 ? (
        <p class="library-empty muted">
          The playlist is empty. Add songs, or drop songs and folders anywhere on the page; they stay on this
          device.
        </p>
      ) : (
        <RowList
          label="Playlist"
          count={entries.length}
          active={active}
          keyOf={(row) => entries[row]?.id ?? -1}
          isCurrent={(row) => entries[row]?.id === currentId}
          onKey={press}
          focus={focus}
          render={(row, tabIndex) => {
            const entry = entries[row];
            if (!entry) return <></>;
            const { title, artist } = entry.source;
            return (
              <>
                <RowButton
                  title={title}
                  detail={artist}
                  current={entry.id === currentId}
                  drop={dropAt(drag.value, row, entries)}
                  tabIndex={tabIndex}
                  onClick={() => onPlay(entry)}
                />
                <Grip
                  title={title}
                  tabIndex={tabIndex}
                  onDrag={(to) => (drag.value = to === null ? null : { id: entry.id, to })}
                  onDrop={() => {
                    const to = drag.peek()?.to;
                    drag.value = null;
                    if (to !== undefined && to !== row) move(entry.id, Math.min(to, entries.length - 1));
                  }}
                />
                <button
                  type="button"
                  class="icon-button"
                  tabIndex={tabIndex}
                  aria-label={`Remove “${title}”`}
                  title="Remove (Delete)"
                  onClick={() => remove(row, 2)}
                >
                  <CloseIcon />
                </button>
              </>
            );
          }}
        />
      )}
    </>
  );
}

/** At which edge of a row the dragged entry would come to stand. */
function dropAt(
  drag: Drag | null,
  row: number,
  entries: readonly PlaylistEntry[],
): "before" | "after" | null {
  if (drag?.to !== row) return null;
  const from = entries.findIndex(({ id }) => id === drag.id);
  return from === row ? null : from < row ? "after" : "before";
}

interface GripProps {
  readonly title: string;
  readonly tabIndex: 0 | -1;
  /** Null: given up. */
  readonly onDrag: (to: number | null) => void;
  readonly onDrop: () => void;
}

/** Moves its row by pointer, finger or arrow keys. */
function Grip({ title, tabIndex, onDrag, onDrop }: GripProps): JSX.Element {
  const follow = (grip: HTMLElement, y: number) => {
    const item = grip.closest("li");
    const list = item?.parentElement;
    if (!item || !list || !grip.matches(":active")) return;
    const { top, bottom } = list.getBoundingClientRect();
    const rowHeight = item.offsetHeight;
    // At an edge the list moves along.
    if (y < top + rowHeight / 2) list.scrollTop -= rowHeight / 3;
    if (y > bottom - rowHeight / 2) list.scrollTop += rowHeight / 3;
    onDrag(Math.max(0, Math.floor((y - top + list.scrollTop) / rowHeight)));
  };
  return (
    <button
      type="button"
      class="icon-button row-grip"
      tabIndex={tabIndex}
      aria-label={`Move “${title}” with the arrow keys`}
      title="Drag, or move with the arrow keys"
      onPointerDown={({ currentTarget, pointerId }) => {
        currentTarget.setPointerCapture(pointerId);
        currentTarget.focus();
      }}
      onPointerMove={({ currentTarget, pointerId, clientY }) => {
        if (currentTarget.hasPointerCapture(pointerId)) follow(currentTarget, clientY);
      }}
      onPointerUp={onDrop}
      onPointerCancel={() => onDrag(null)}
    >
      <GripIcon />
    </button>
  );
}

interface RowButtonProps {
  readonly title: string;
  readonly detail: string | null;
  readonly time?: string;
  readonly hint?: string | undefined;
  readonly current: boolean;
  readonly drop?: "before" | "after" | null;
  readonly tabIndex: 0 | -1;
  readonly onClick: () => void;
}

function RowButton({
  title,
  detail,
  time,
  hint,
  current,
  drop,
  tabIndex,
  onClick,
}: RowButtonProps): JSX.Element {
  return (
    <button
      type="button"
      class="row-main"
      tabIndex={tabIndex}
      title={hint}
      data-drop={drop ?? undefined}
      onClick={onClick}
    >
      {current && <SoundIcon />}
      <span class="row-text">
        <span class="row-title">{title}</span>
        {detail !== null && detail !== "" && <span class="row-detail muted">{detail}</span>}
      </span>
      {time !== undefined && <span class="row-time muted">{time}</span>}
    </button>
  );
}

// ------------------------------------------------------------------------------------------------------------- FMA

/** What a person looks for among the server's tracks; outlasts the dialog. */
interface Quest {
  readonly words: Signal<string>;
  readonly genre: Signal<string | null>;
  readonly active: Signal<number>;
  /** The same track twice is one source, so that the playlist knows it again. */
  readonly sources: Map<number, TrackSource>;
}

function useQuest(): Quest {
  const words = useSignal("");
  const genre = useSignal<string | null>(null);
  const active = useSignal(0);
  return useMemo(() => ({ words, genre, active, sources: new Map() }), [words, genre, active]);
}

interface FmaTabProps extends LibraryDialogProps {
  readonly state: LibraryState;
  readonly quest: Quest;
  readonly said: Signal<string>;
}

function FmaTab(props: FmaTabProps): JSX.Element {
  const { state, library } = props;
  if (state.kind === "ready") return <FmaSearch {...props} state={state} />;
  return (
    <>
      <p role="alert">{state.kind === "failed" ? state.why : ""}</p>
      <button type="button" class="button small" onClick={() => void library.load()}>
        Try again
      </button>
    </>
  );
}

interface FmaSearchProps extends FmaTabProps {
  readonly state: Extract<LibraryState, { kind: "ready" }>;
}

function FmaSearch({ state, quest, said, fmaUrl, playlist, onPlay }: FmaSearchProps): JSX.Element {
  const { index, search } = state;
  const { words, genre, active, sources } = quest;
  const focus = useRef<((row: number, button: number) => void) | null>(null);
  const found = useMemo(() => search.find(words.value, genre.value), [search, words.value, genre.value]);
  const current = playlist.current.value?.source;
  const sourceOf = (track: FmaTrack): TrackSource => {
    const source = sources.get(track.id) ?? fmaSource(track, fmaUrl);
    sources.set(track.id, source);
    return source;
  };
  const play = (track: FmaTrack | undefined) => {
    if (!track) return;
    const source = sourceOf(track);
    const here = playlist.entries.peek().find((entry) => entry.source === source);
    const entry = here ?? playlist.add([source])[0];
    if (entry) onPlay(entry);
  };
  const add = (track: FmaTrack | undefined) => {
    if (!track) return;
    playlist.add([sourceOf(track)]);
    said.value = `Added “${track.title}”.`;
  };
  const enter = (event: KeyboardEvent, track: FmaTrack | undefined): boolean => {
    if (event.key !== "Enter" || !event.shiftKey) return false;
    add(track);
    return true;
  };
  const narrow = (change: () => void) => {
    change();
    active.value = 0;
  };
  const total = index.tracks.length;
  return (
    <>
      <div class="library-search">
        <label>
          <span>Search artist, title or genre</span>
          <input
            type="text"
            class="text-field"
            inputMode="search"
            enterkeyhint="search"
            autocomplete="off"
            spellcheck={false}
            maxLength={200}
            value={words.value}
            onInput={({ currentTarget }) => narrow(() => (words.value = currentTarget.value))}
            onKeyDown={(event) => {
              if (event.key === "ArrowDown" && found.length > 0) focus.current?.(active.peek(), 0);
              else if (event.key !== "Enter" || event.isComposing) return;
              else if (!enter(event, found[0])) play(found[0]);
              event.preventDefault();
            }}
          />
        </label>
        <label>
          <span>Genre</span>
          <select
            value={genre.value ?? ""}
            onChange={({ currentTarget }) => narrow(() => (genre.value = currentTarget.value || null))}
          >
            <option value="">All genres</option>
            {index.genres.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p class="library-count muted" role="status">
        {speakFound(found.length, total)}
      </p>
      <RowList
        // Another answer begins at its top.
        key={`${genre.value ?? ""}\n${words.value}`}
        label="Tracks of the Free Music Archive"
        count={found.length}
        active={active}
        keyOf={(row) => found[row]?.id ?? -1}
        isCurrent={(row) => isSource(sources.get(found[row]?.id ?? -1), current)}
        onKey={(event, row) => enter(event, found[row])}
        focus={focus}
        render={(row, tabIndex) => {
          const track = found[row];
          if (!track) return <></>;
          const { title, artist, genre: kind, licence, durationSeconds } = track;
          return (
            <>
              <RowButton
                title={title}
                detail={[artist, kind].filter((part) => part !== null).join(" · ")}
                time={durationSeconds > 0 ? formatTime(durationSeconds) : ""}
                hint={licence ?? undefined}
                current={isSource(sources.get(track.id), current)}
                tabIndex={tabIndex}
                onClick={() => play(track)}
              />
              <button
                type="button"
                class="icon-button"
                tabIndex={tabIndex}
                aria-label={`Add “${title}” to the playlist`}
                title="Add to the playlist (Shift Enter)"
                onClick={() => add(track)}
              >
                <PlusIcon />
              </button>
            </>
          );
        }}
      />
    </>
  );
}

function isSource(source: TrackSource | undefined, current: TrackSource | undefined): boolean {
  return source !== undefined && source === current;
}

function speakFound(nFound: number, total: number): string {
  if (nFound === 0) return "No track has all of these words. Try fewer of them.";
  const all = total.toLocaleString("en");
  return nFound === total ? `${all} tracks` : `${nFound.toLocaleString("en")} of ${all} tracks`;
}
