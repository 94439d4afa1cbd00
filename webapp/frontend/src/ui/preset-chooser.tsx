import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";
import { Scope } from "../player/scope";
import { CloseIcon } from "./icons";
import type { Look } from "./look";
import { MAX_NAME_LENGTH, MAX_PRESETS, MAX_TEXT_LENGTH, PresetError, type Presets } from "./presets";

const FILE_NAME = "tfdeepviz-presets.json";
/** Until then every browser has begun to read what it was told to save. */
const DOWNLOAD_MS = 10_000;

interface PresetChooserProps {
  readonly presets: Presets;
  /** The look of this moment. */
  readonly current: () => Look;
  readonly onApply: (look: Look) => void;
  /** The page's whole address with the look of this moment. */
  readonly link: () => string;
}

/** Looks to keep, to come back to and to hand on. */
export function PresetChooser({ presets, current, onApply, link }: PresetChooserProps): JSX.Element {
  const scope = useMemo(() => new Scope(), []);
  useEffect(() => () => scope.dispose(), [scope]);
  const name = useSignal("");
  const said = useSignal<Said>({ kind: "done", text: "" });
  /** To be copied by hand, where the browser keeps the clipboard from the page. */
  const shownLink = useSignal<string | null>(null);
  const nameId = useId();
  const field = useRef<HTMLInputElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const list = presets.list.value;

  /** Do something and say so, or why it did not go. */
  const attempt = async (act: () => string | Promise<string>): Promise<void> => {
    try {
      said.value = { kind: "done", text: await act() };
    } catch (error) {
      said.value = { kind: "problem", text: explainPreset(error) };
    }
  };
  const save = () =>
    attempt(() => {
      presets.save(name.value, current());
      name.value = "";
      return "Saved.";
    });
  const copy = () =>
    attempt(async () => {
      const address = link();
      const copied = await copyText(address);
      shownLink.value = copied ? null : address;
      return copied ? "The link is copied." : "Copy the link from the field.";
    });
  const remove = (removed: string) => {
    // The button goes with its preset: the focus must not be lost with it.
    field.current?.focus();
    return attempt(() => {
      presets.delete(removed);
      return `“${removed}” is deleted.`;
    });
  };
  const importFrom = (input: HTMLInputElement) => {
    const file = input.files?.[0];
    input.value = ""; // so that the same file can be chosen again
    return file && attempt(async () => speakImported(presets.importText(await readPresetFile(file))));
  };

  return (
    <div class="presets">
      <form
        class="preset-save"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <label for={nameId}>Save this look as</label>
        <input
          id={nameId}
          ref={field}
          class="text-field"
          maxLength={MAX_NAME_LENGTH}
          autocomplete="off"
          required
          value={name.value}
          onInput={(event) => (name.value = event.currentTarget.value)}
        />
        <button type="submit" class="button small" disabled={list.length >= MAX_PRESETS}>
          Save
        </button>
      </form>
      {list.length > 0 && (
        <ul class="preset-list" aria-label="Saved looks">
          {list.map((preset) => (
            <li key={preset.name}>
              <button
                type="button"
                class="preset-apply"
                onClick={() => {
                  onApply(preset.look);
                  said.value = { kind: "done", text: `“${preset.name}” is shown.` };
                }}
              >
                {preset.name}
              </button>
              <button
                type="button"
                class="mini-button"
                aria-label={`Delete “${preset.name}”`}
                title="Delete"
                onClick={() => void remove(preset.name)}
              >
                <CloseIcon />
              </button>
            </li>
          ))}
        </ul>
      )}
      <p class="preset-actions">
        <button type="button" class="button small" onClick={() => void copy()}>
          Copy link
        </button>
        <button
          type="button"
          class="button small"
          disabled={list.length === 0}
          onClick={() => downloadText(scope, presets.exportText(), FILE_NAME)}
        >
          Export
        </button>
        <button type="button" class="button small" onClick={() => picker.current?.click()}>
          Import
        </button>
        <input
          type="file"
          class="visually-hidden"
          accept=".json,application/json"
          tabIndex={-1}
          aria-label="File with presets"
          ref={picker}
          onChange={(event) => void importFrom(event.currentTarget)}
        />
      </p>
      {shownLink.value !== null && (
        <input
          class="text-field"
          aria-label="Link to this look"
          readOnly
          autofocus
          value={shownLink.value}
          onFocus={(event) => event.currentTarget.select()}
        />
      )}
      <Message said={said.value} />
      <p class="help muted">
        A look is everything that shapes the picture. Looks stay in this browser; the link carries one look
        and the track’s name, never its sound.
      </p>
    </div>
  );
}

type Said =
  { readonly kind: "done"; readonly text: string } | { readonly kind: "problem"; readonly text: string };

function Message({ said }: { said: Said }): JSX.Element {
  const problem = said.kind === "problem";
  return (
    <>
      <p class="help" role="status">
        {!problem && said.text}
      </p>
      <p class="help preset-problem" role="alert">
        {problem && said.text}
      </p>
    </>
  );
}

export function explainPreset(error: unknown): string {
  return error instanceof PresetError ? error.message : "That did not work. Try again.";
}

export function speakImported(added: number): string {
  if (added === 0) return "All of the file’s looks are here already.";
  return added === 1 ? "1 look is added." : `${added} looks are added.`;
}

/** @throws PresetError for a file that cannot be one of ours by its size alone, or cannot be read */
export async function readPresetFile(file: File): Promise<string> {
  // A character takes up to three bytes for every unit of its length.
  if (file.size > 3 * MAX_TEXT_LENGTH) {
    throw new PresetError("The file is too long. Choose a file that this page has exported.");
  }
  try {
    return await file.text();
  } catch {
    throw new PresetError("The file cannot be read; it may have been moved. Choose it again.");
  }
}

/** @returns false where the browser keeps the clipboard from the page, or the person does */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function downloadText(scope: Scope, text: string, fileName: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = fileName;
  anchor.click();
  const release = scope.own(() => URL.revokeObjectURL(url));
  scope.timeout(DOWNLOAD_MS, release);
}
