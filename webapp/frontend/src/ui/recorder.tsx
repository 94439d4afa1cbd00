import { useSignal, type Signal } from "@preact/signals";
import type { ComponentChildren, JSX, RefObject } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { formatPercent, formatTime, speakTime } from "../player/format";
import { Scope } from "../player/scope";
import { RecordingError } from "../recording/error";
import { canRecordVideo, chooseFormat, type VideoFormat } from "../recording/format";
import {
  encodableSize,
  estimatedBytes,
  fileName,
  FRAME_RATES,
  FrameGrid,
  rangeWithin,
  type FileNameParts,
  type FrameRate,
  type PictureSize,
  type TimeRange,
} from "../recording/plan";
import type { VideoChoice, VideoProgress, VideoWatch } from "../recording/video";
import { WebGlUnavailableError } from "../visuals/visual";
import { Dialog } from "./dialog";

/** What there is to be recorded while the dialog is open. */
export interface RecorderSubject extends FileNameParts {
  /** Null: no track is open, so there is no video to be made. */
  readonly durationSeconds: number | null;
  /** Where playback stands. */
  readonly positionSeconds: number;
  readonly audio: Pick<AudioBuffer, "sampleRate" | "numberOfChannels"> | null;
  /** The picture on the page in its own pixels. */
  readonly screen: PictureSize;
  /** Why no video can be made yet, in words; null when one can. */
  readonly obstacle: string | null;
}

interface RecorderProps {
  readonly open: boolean;
  readonly subject: RecorderSubject;
  readonly onClose: () => void;
  readonly takeStill: (size: PictureSize) => Promise<Blob>;
  readonly recordVideo: (choice: VideoChoice, watch: VideoWatch) => Promise<{ readonly blob: Blob }>;
  /** Say how a recording ended while the dialog was closed. */
  readonly announce: (kind: "info" | "error", words: string) => void;
}

/** The last frames of a part that is shorter than this are not worth a video. */
const MIN_SECONDS = 0.5;
const DEFAULT_PART_SECONDS = 15;

const SIZES: readonly (readonly [key: string, label: string, size: PictureSize | null])[] = [
  ["screen", "As on the screen", null],
  ["720p", "HD", { width: 1280, height: 720 }],
  ["1080p", "Full HD", { width: 1920, height: 1080 }],
  ["2160p", "4K", { width: 3840, height: 2160 }],
  ["portrait", "Portrait", { width: 1080, height: 1920 }],
  ["square", "Square", { width: 1080, height: 1080 }],
];

type Kind = "still" | "video";

type Work =
  | { readonly kind: "choosing" }
  | { readonly kind: "working"; readonly what: Kind; readonly progress: VideoProgress | null }
  | {
      readonly kind: "done";
      readonly what: Kind;
      readonly name: string;
      readonly bytes: number;
      readonly url: string | null;
    }
  | { readonly kind: "failed"; readonly what: Kind; readonly why: string };

/** Saves a picture, or a part of the track as a video. What has begun goes on when the dialog is closed. */
export function Recorder(props: RecorderProps): JSX.Element {
  const { open, subject, onClose } = props;
  const work = useSignal<Work>({ kind: "choosing" });
  const choice = useChoice();
  const latest = useRef(props);
  latest.current = props;
  const job = useMemo(() => new Job(work, () => latest.current), [work]);
  useEffect(() => () => job.dispose(), [job]);
  const state = work.value;
  const content = useFocusOnChange(state.kind);
  return (
    <Dialog open={open} title="Save picture or video" onClose={onClose}>
      <div ref={content}>
        {state.kind === "choosing" ? (
          <ChoiceForm choice={choice} subject={subject} job={job} onClose={onClose} />
        ) : (
          <div class="recorder">
            {state.kind === "working" && <Working state={state} job={job} onClose={onClose} />}
            {state.kind === "done" && <Done state={state} job={job} onClose={onClose} />}
            {state.kind === "failed" && <Failed why={state.why} job={job} onClose={onClose} />}
          </div>
        )}
      </div>
    </Dialog>
  );
}

/** When a press changes what the dialog holds, the focus goes to what comes next instead of being lost. */
function useFocusOnChange(kind: string): RefObject<HTMLDivElement | null> {
  const content = useRef<HTMLDivElement>(null);
  const before = useRef(kind);
  useEffect(() => {
    if (before.current !== kind) content.current?.querySelector<HTMLElement>(".primary")?.focus();
    before.current = kind;
  }, [kind]);
  return content;
}

// -------------------------------------------------------------------------------------------------------- choosing

interface Choice {
  readonly kind: Signal<Kind>;
  readonly size: Signal<string>;
  readonly framesPerSecond: Signal<FrameRate>;
  readonly part: Signal<"whole" | "from-here">;
  readonly partSeconds: Signal<number>;
}

function useChoice(): Choice {
  return {
    kind: useSignal<Kind>("still"),
    size: useSignal("1080p"),
    framesPerSecond: useSignal<FrameRate>(30),
    part: useSignal<"whole" | "from-here">("from-here"),
    partSeconds: useSignal(DEFAULT_PART_SECONDS),
  };
}

function sizeOf(choice: Choice, subject: RecorderSubject): PictureSize {
  const found = SIZES.find(([key]) => key === choice.size.value)?.[2];
  return encodableSize(found ?? subject.screen);
}

function rangeOf(choice: Choice, subject: RecorderSubject): TimeRange {
  const { positionSeconds, durationSeconds } = subject;
  const wanted =
    choice.part.value === "whole"
      ? { fromSeconds: 0, toSeconds: Infinity }
      : { fromSeconds: positionSeconds, toSeconds: positionSeconds + choice.partSeconds.value };
  return rangeWithin(wanted, durationSeconds ?? 0);
}

interface ChoiceFormProps {
  readonly choice: Choice;
  readonly subject: RecorderSubject;
  readonly job: Job;
  readonly onClose: () => void;
}

function ChoiceForm({ choice, subject, job, onClose }: ChoiceFormProps): JSX.Element {
  const size = sizeOf(choice, subject);
  const isVideo = choice.kind.value === "video";
  const format = useFormat(isVideo, size, choice.framesPerSecond.value, subject.audio);
  const range = rangeOf(choice, subject);
  const obstacle = isVideo ? videoObstacle(subject, range, format) : null;
  const submit = (event: Event) => {
    event.preventDefault();
    if (obstacle !== null) return;
    const { framesPerSecond } = choice;
    if (!isVideo) void job.takeStill(size);
    else if (format && "format" in format) {
      void job.recordVideo({ size, framesPerSecond: framesPerSecond.value, range, format: format.format });
    }
  };
  return (
    // Our words say what is wrong; the browser's would only keep the form from being sent.
    <form class="recorder" noValidate onSubmit={submit}>
      <fieldset class="recorder-kinds">
        <legend>What</legend>
        <Option
          group={choice.kind}
          name="recorder-kind"
          value="still"
          label="Picture"
          help="The moment that is shown, as PNG"
        />
        <Option
          group={choice.kind}
          name="recorder-kind"
          value="video"
          label="Video"
          help="Picture and sound of the track"
        />
      </fieldset>
      <label class="field">
        <span>Size</span>
        <select
          value={choice.size.value}
          onChange={(event) => (choice.size.value = event.currentTarget.value)}
        >
          {SIZES.map(([key, label, fixed]) => {
            const { width, height } = encodableSize(fixed ?? subject.screen);
            return (
              <option key={key} value={key}>
                {label}, {width} × {height}
              </option>
            );
          })}
        </select>
      </label>
      {isVideo && <VideoOptions choice={choice} subject={subject} />}
      <p class="recorder-estimate" role="status">
        {obstacle ?? (isVideo ? estimate(choice, size, range, format) : "")}
      </p>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
        <button type="submit" class="button primary" aria-disabled={obstacle !== null}>
          {isVideo ? "Record video" : "Save picture"}
        </button>
      </div>
    </form>
  );
}

function VideoOptions({ choice, subject }: Pick<ChoiceFormProps, "choice" | "subject">): JSX.Element {
  const { part, partSeconds, framesPerSecond } = choice;
  const { durationSeconds, positionSeconds } = subject;
  return (
    <>
      <fieldset class="recorder-kinds">
        <legend>Part</legend>
        <Option
          group={part}
          name="recorder-part"
          value="from-here"
          label="From here"
          help={`From ${formatTime(positionSeconds)} on`}
        />
        <Option
          group={part}
          name="recorder-part"
          value="whole"
          label="The whole track"
          help={durationSeconds === null ? "" : formatTime(durationSeconds)}
        />
      </fieldset>
      <div class="recorder-row">
        {part.value === "from-here" && (
          <label class="field">
            <span>Seconds</span>
            <input
              type="number"
              class="recorder-number"
              min={1}
              step="any"
              value={partSeconds.value}
              onInput={(event) => {
                const seconds = event.currentTarget.valueAsNumber;
                partSeconds.value = Number.isFinite(seconds) ? seconds : 0;
              }}
            />
          </label>
        )}
        <label class="field">
          <span>Frames per second</span>
          <select
            value={framesPerSecond.value}
            onChange={(event) => (framesPerSecond.value = Number(event.currentTarget.value) === 60 ? 60 : 30)}
          >
            {FRAME_RATES.map((rate) => (
              <option key={rate} value={rate}>
                {rate}
              </option>
            ))}
          </select>
        </label>
      </div>
    </>
  );
}

interface OptionProps<Value extends string> {
  readonly group: Signal<Value>;
  readonly name: string;
  readonly value: Value;
  readonly label: string;
  readonly help: string;
}

function Option<Value extends string>({ group, name, value, label, help }: OptionProps<Value>): JSX.Element {
  return (
    <label class="choice">
      <input
        type="radio"
        name={name}
        value={value}
        checked={group.value === value}
        onChange={() => (group.value = value)}
      />
      <span>
        {label}
        <small class="muted">{help}</small>
      </span>
    </label>
  );
}

/** What the browser can encode; null while it is being asked. */
type FormatAnswer = { readonly format: VideoFormat } | { readonly why: string } | null;

function useFormat(
  wanted: boolean,
  { width, height }: PictureSize,
  framesPerSecond: number,
  audio: RecorderSubject["audio"],
): FormatAnswer {
  const answer = useSignal<FormatAnswer>(null);
  const sampleRate = audio?.sampleRate;
  const numberOfChannels = audio?.numberOfChannels;
  useEffect(() => {
    answer.value = null;
    if (!wanted) return undefined;
    let current = true;
    const sound =
      sampleRate === undefined || numberOfChannels === undefined ? null : { sampleRate, numberOfChannels };
    chooseFormat({ size: { width, height }, framesPerSecond, audio: sound }).then(
      (format) => {
        if (current) answer.value = { format };
      },
      (error: unknown) => {
        if (current) answer.value = { why: explainRecording(error) };
      },
    );
    return () => {
      current = false;
    };
  }, [answer, wanted, width, height, framesPerSecond, sampleRate, numberOfChannels]);
  return answer.value;
}

function videoObstacle(subject: RecorderSubject, range: TimeRange, format: FormatAnswer): string | null {
  if (!canRecordVideo() && format && "why" in format) return format.why;
  if (subject.durationSeconds === null) return "Open a track first: a video shows its music.";
  if (subject.obstacle !== null) return subject.obstacle;
  if (range.toSeconds - range.fromSeconds < MIN_SECONDS) {
    return "Nothing is left of the track from here. Go back in it, or choose the whole track.";
  }
  if (!format) return "Asking the browser what it can encode.";
  return "why" in format ? format.why : null;
}

function estimate(choice: Choice, size: PictureSize, range: TimeRange, format: FormatAnswer): string {
  if (!format || !("format" in format)) return "";
  const rate = choice.framesPerSecond.value;
  const grid = new FrameGrid(range, rate);
  const { extension, sound } = format.format;
  const bytes = estimatedBytes(size, rate, grid.durationSeconds, sound !== null);
  const silent = sound ? "" : " Without sound: this browser cannot encode any.";
  return (
    `${speakTime(Math.max(1, Math.round(grid.durationSeconds)))} in ${grid.count} frames, ${extension.toUpperCase()}, ` +
    `about ${formatBytes(bytes)}.${silent} How long it takes shows once it has begun.`
  );
}

// --------------------------------------------------------------------------------------------------------- working

interface WorkingProps {
  readonly state: Extract<Work, { kind: "working" }>;
  readonly job: Job;
  readonly onClose: () => void;
}

function Working({ state, job, onClose }: WorkingProps): JSX.Element {
  const { what, progress } = state;
  const fraction = progress?.fraction ?? 0;
  return (
    <>
      <p id="recorder-progress">{what === "still" ? "Drawing the picture." : progressWords(progress)}</p>
      {what === "video" && (
        <>
          <progress class="recorder-progress" aria-labelledby="recorder-progress" max={1} value={fraction} />
          <p class="muted">
            You may close this and go on; the recording continues, as long as the page is open.
          </p>
        </>
      )}
      <Actions>
        <button type="button" class="button" onClick={() => job.cancel()}>
          Cancel
        </button>
        <button type="button" class="button primary" onClick={onClose}>
          Go on meanwhile
        </button>
      </Actions>
    </>
  );
}

function progressWords(progress: VideoProgress | null): string {
  if (!progress) return "Getting ready.";
  const { fraction, framesPerSecond, secondsLeft, bytes } = progress;
  const parts = [formatPercent(fraction)];
  if (framesPerSecond !== null) {
    const digits = framesPerSecond < 10 ? 1 : 0;
    parts.push(`${framesPerSecond.toFixed(digits)} frames a second`);
  }
  if (secondsLeft !== null) parts.push(`${speakTime(Math.ceil(secondsLeft))} left`);
  if (bytes > 0) parts.push(formatBytes(bytes));
  return parts.join(", ");
}

interface DoneProps {
  readonly state: Extract<Work, { kind: "done" }>;
  readonly job: Job;
  readonly onClose: () => void;
}

function Done({ state, job, onClose }: DoneProps): JSX.Element {
  const { what, name, bytes, url } = state;
  return (
    <>
      <p role="status" class="recorder-name">
        {what === "still" ? "The picture" : "The video"} is ready: <strong>{name}</strong>,{" "}
        {formatBytes(bytes)}.{url === null && " It lies where you wanted it."}
      </p>
      <Actions>
        <button type="button" class="button" onClick={() => job.reset()}>
          Another one
        </button>
        <button type="button" class={url === null ? "button primary" : "button"} onClick={onClose}>
          Close
        </button>
        {url !== null && (
          <a class="button primary" href={url} download={name}>
            Save to disk
          </a>
        )}
      </Actions>
    </>
  );
}

interface FailedProps {
  readonly why: string;
  readonly job: Job;
  readonly onClose: () => void;
}

function Failed({ why, job, onClose }: FailedProps): JSX.Element {
  return (
    <>
      <p role="alert">{why}</p>
      <Actions>
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
        <button type="button" class="button primary" onClick={() => job.reset()}>
          Choose again
        </button>
      </Actions>
    </>
  );
}

function Actions({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <div class="dialog-actions">{children}</div>;
}

/** What goes on, whether the dialog is open or not. */
class Job {
  readonly #work: Signal<Work>;
  readonly #props: () => RecorderProps;
  #abort: AbortController | null = null;
  /** Holds the finished recording's address, or keeps the page while one is being made. */
  #held = new Scope();

  constructor(work: Signal<Work>, props: () => RecorderProps) {
    this.#work = work;
    this.#props = props;
  }

  async takeStill(size: PictureSize): Promise<void> {
    const { subject, takeStill } = this.#props();
    const name = fileName(subject, "png");
    await this.#run("still", async () => {
      const blob = await takeStill(size);
      return { name, blob, saved: false };
    });
  }

  async recordVideo(choice: Omit<VideoChoice, "file">): Promise<void> {
    const { subject, recordVideo } = this.#props();
    const { extension, mimeType } = choice.format;
    const name = fileName(subject, extension);
    // Right after the press: browsers ask for a place only then.
    const place = await choosePlace(name, mimeType);
    if (place === "declined") return;
    await this.#run("video", async (signal) => {
      const onProgress = (progress: VideoProgress) => {
        if (!signal.aborted) this.#work.value = { kind: "working", what: "video", progress };
      };
      const { blob } = await recordVideo({ ...choice, file: place }, { signal, onProgress });
      return { name: place?.name ?? name, blob, saved: place !== null };
    });
  }

  cancel(): void {
    this.#abort?.abort();
    this.reset();
  }

  /** Back to choosing. */
  reset(): void {
    this.#letGo();
    this.#work.value = { kind: "choosing" };
  }

  dispose(): void {
    this.#abort?.abort();
    this.#letGo();
  }

  async #run(
    what: Kind,
    make: (signal: AbortSignal) => Promise<{ name: string; blob: Blob; saved: boolean }>,
  ): Promise<void> {
    this.#letGo();
    const abort = new AbortController();
    this.#abort = abort;
    // Who leaves the page by mistake is asked whether to lose the recording.
    const { signal } = abort;
    const release = this.#held.listen(window, "beforeunload", (event) => event.preventDefault());
    this.#work.value = { kind: "working", what, progress: null };
    try {
      const { name, blob, saved } = await make(signal);
      if (signal.aborted) return;
      const url = saved ? null : URL.createObjectURL(blob);
      if (url !== null) this.#held.own(() => URL.revokeObjectURL(url));
      this.#work.value = { kind: "done", what, name, bytes: blob.size, url };
      this.#announce("info", `${name} is ready.`);
    } catch (error) {
      if (signal.aborted) return;
      const why = explainRecording(error);
      this.#work.value = { kind: "failed", what, why };
      this.#announce("error", why);
    } finally {
      release();
    }
  }

  #announce(kind: "info" | "error", words: string): void {
    const { open, announce } = this.#props();
    if (!open) announce(kind, words);
  }

  #letGo(): void {
    this.#held.dispose();
    this.#held = new Scope();
  }
}

interface SavePicker {
  showSaveFilePicker?: (options: {
    readonly suggestedName: string;
    readonly types: readonly { readonly accept: Readonly<Record<string, readonly string[]>> }[];
  }) => Promise<FileSystemFileHandle>;
}

/** A file of the person's choice; null where the browser lets pages write no files. */
async function choosePlace(
  name: string,
  mimeType: string,
): Promise<FileSystemFileHandle | "declined" | null> {
  const { showSaveFilePicker } = window as SavePicker;
  if (!showSaveFilePicker) return null;
  const extension = name.slice(name.lastIndexOf("."));
  try {
    return await showSaveFilePicker.call(window, {
      suggestedName: name,
      types: [{ accept: { [mimeType]: [extension] } }],
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return "declined";
    return null; // not allowed here, as in a frame: the video is kept in memory
  }
}

/** Why a recording did not come about, for people. */
export function explainRecording(error: unknown): string {
  if (error instanceof RecordingError || error instanceof WebGlUnavailableError) return error.message;
  const detail = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
  return `The recording failed (${detail}). Try again with a smaller picture.`;
}

function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
