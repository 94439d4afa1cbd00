import { effect, type ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { sectionAt, type Section } from "../mapping/sections";
import { FrameLoop, Scope } from "../player/scope";
import type { Waveform } from "../player/waveform";
import { onPixelRatio } from "./pixel-ratio";

interface WaveformCanvasProps {
  /** Null while it is measured. */
  readonly waveform: ReadonlySignal<Waveform | null>;
  /** Null while they are not known. */
  readonly sections: ReadonlySignal<readonly Section[] | null>;
  readonly positionSeconds: ReadonlySignal<number>;
  readonly durationSeconds: number;
  readonly readyUntilSeconds: ReadonlySignal<number>;
}

/** The track's outline, to lie behind the slider. For the eye only: the slider speaks for both. */
export function WaveformCanvas({
  waveform,
  sections,
  positionSeconds,
  durationSeconds,
  readyUntilSeconds,
}: WaveformCanvasProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const scope = new Scope();
    if (canvas.current) {
      const picture = new WaveformPicture(scope, canvas.current);
      scope.own(
        effect(() =>
          picture.show({
            waveform: waveform.value,
            sections: sections.value,
            positionSeconds: positionSeconds.value,
            durationSeconds,
            readyUntilSeconds: readyUntilSeconds.value,
          }),
        ),
      );
    }
    return () => scope.dispose();
  }, [waveform, sections, positionSeconds, durationSeconds, readyUntilSeconds]);
  return <canvas class="waveform" ref={canvas} aria-hidden="true" />;
}

export interface WaveformState {
  readonly waveform: Waveform | null;
  readonly sections: readonly Section[] | null;
  readonly positionSeconds: number;
  readonly durationSeconds: number;
  readonly readyUntilSeconds: number;
}

const NOTHING: WaveformState = {
  waveform: null,
  sections: null,
  positionSeconds: 0,
  durationSeconds: 0,
  readyUntilSeconds: 0,
};

/** In CSS pixels. */
const BAR_WIDTH = 2;
const BAR_DISTANCE = 3;
const TICK_WIDTH = 1;
/** The least height: silence is a line. */
const MIN_HEIGHT = 1;
const MAX_PIXEL_RATIO = 3;
/** Of the loudest stretch's bar: room for the peaks around it. */
const LOUDEST = 0.8;
/** The peaks around a bar are fainter than it. */
const PEAK_ALPHA = 0.45;

/** Redraws when what it would show has changed, at most once a frame. */
class WaveformPicture {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D | null;
  readonly #loop: FrameLoop;
  readonly #moreContrast = matchMedia("(prefers-contrast: more)");
  readonly #forcedColours = matchMedia("(forced-colors: active)");
  #state = NOTHING;
  #bars: readonly Bar[] = [];
  #drawn: readonly unknown[] = [];

  constructor(scope: Scope, canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#loop = new FrameLoop(scope, () => {
      this.#draw();
      return false;
    });
    const observer = new ResizeObserver(() => this.#loop.wake());
    observer.observe(canvas);
    scope.own(() => observer.disconnect());
    onPixelRatio(scope, () => this.#loop.wake());
    for (const query of [this.#moreContrast, this.#forcedColours]) {
      scope.listen(query, "change", () => this.#loop.wake());
    }
  }

  show(state: WaveformState): void {
    this.#state = state;
    this.#loop.wake();
  }

  #draw(): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!this.#context || width === 0 || height === 0) return;
    const pixelRatio = Math.min(devicePixelRatio, MAX_PIXEL_RATIO);
    const palette = paletteFor(
      this.#forcedColours.matches ? "forced" : this.#moreContrast.matches ? "more" : "usual",
    );
    const { waveform, sections, durationSeconds } = this.#state;
    const nBars = Math.max(1, Math.floor((width + BAR_DISTANCE - BAR_WIDTH) / BAR_DISTANCE));
    const [played, ready] = reached(this.#state, nBars);
    const now = [waveform, sections, durationSeconds, width, height, pixelRatio, palette, played, ready];
    if (now.every((value, i) => value === this.#drawn[i])) return;
    if (waveform !== this.#drawn[0] || nBars !== this.#bars.length) {
      this.#bars = waveform ? barsOf(waveform, nBars) : [];
    }
    this.#drawn = now;
    // Setting the size, even to what it is, clears the canvas.
    this.#canvas.width = Math.round(width * pixelRatio);
    this.#canvas.height = Math.round(height * pixelRatio);
    this.#context.scale(pixelRatio, pixelRatio);
    paint(this.#context, { width, height }, this.#state, this.#bars, palette);
  }
}

export interface Bar {
  /** Both in [0, 1]. */
  readonly peak: number;
  readonly body: number;
}

/** A track's columns in as many bars as there is room for, with the loudest stretch at the same height in every track. */
export function barsOf({ peak, rms }: Waveform, nBars: number): readonly Bar[] {
  const nColumns = peak.length;
  const bars = Array.from({ length: nBars }, (_, bar) => {
    const first = Math.floor((bar * nColumns) / nBars);
    const end = Math.max(first + 1, Math.floor(((bar + 1) * nColumns) / nBars));
    let most = 0;
    let squares = 0;
    for (let i = first; i < end; i++) {
      most = Math.max(most, peak[i] ?? 0);
      squares += (rms[i] ?? 0) ** 2;
    }
    return { peak: most, body: Math.sqrt(squares / (end - first)) };
  });
  const loudest = Math.max(...bars.map(({ body }) => body));
  const gain = loudest > 0 ? LOUDEST / loudest : 0;
  return bars.map((bar) => ({ peak: Math.min(1, gain * bar.peak), body: gain * bar.body }));
}

/** How many of the bars are played, and how many are analysed; what is played needs no analysis any more. */
export function reached(
  { positionSeconds, readyUntilSeconds, durationSeconds }: WaveformState,
  nBars: number,
): [played: number, ready: number] {
  const bars = (seconds: number) =>
    durationSeconds > 0 ? Math.min(nBars, Math.max(0, Math.round((seconds / durationSeconds) * nBars))) : 0;
  const played = bars(positionSeconds);
  return [played, Math.max(played, bars(readyUntilSeconds))];
}

export type Contrast = "usual" | "more" | "forced";

export interface Palette {
  readonly played: (label: number | null) => string;
  readonly ahead: (label: number | null) => string;
  /** Not analysed yet. */
  readonly unknown: string;
  readonly tick: string;
}

/** The page's warm light, from which the sections' hues go round. */
const FIRST_HUE = 78;
/** In degrees: successive multiples of it stay as far apart from one another as they can. */
const GOLDEN_ANGLE = 360 * (2 - (1 + Math.sqrt(5)) / 2);

/** In degrees. */
export function hueOf(label: number): number {
  return (FIRST_HUE + label * GOLDEN_ANGLE) % 360;
}

/** Hues of equal lightness, so that no section looks more important than another. */
function coloured(lightness: number, alpha: number): (label: number | null) => string {
  // As much chroma as every hue has at that lightness.
  return (label) =>
    label === null
      ? `oklch(${lightness}% 0 0 / ${alpha})`
      : `oklch(${lightness}% 0.11 ${hueOf(label).toFixed(1)} / ${alpha})`;
}

const PALETTES: Readonly<Record<Contrast, Palette>> = {
  usual: {
    played: coloured(84, 1),
    ahead: coloured(76, 0.5),
    unknown: "oklch(100% 0 0 / 0.2)",
    tick: "oklch(100% 0 0 / 0.5)",
  },
  more: {
    played: coloured(88, 1),
    ahead: coloured(72, 0.8),
    unknown: "oklch(100% 0 0 / 0.45)",
    tick: "oklch(100% 0 0)",
  },
  // The person's own colours, which say nothing of sections: the ticks do.
  forced: {
    played: () => "Highlight",
    ahead: () => "CanvasText",
    unknown: "GrayText",
    tick: "CanvasText",
  },
};

/** @returns the same object for the same contrast */
export function paletteFor(contrast: Contrast): Palette {
  return PALETTES[contrast];
}

type Brush = Pick<CanvasRenderingContext2D, "fillRect" | "fillStyle" | "globalAlpha">;

export function paint(
  context: Brush,
  { width, height }: { readonly width: number; readonly height: number },
  state: WaveformState,
  bars: readonly Bar[],
  palette: Palette,
): void {
  const { sections, durationSeconds } = state;
  const [played, ready] = reached(state, bars.length);
  const distance = width / Math.max(1, bars.length);
  const column = (x: number, share: number) => {
    const tall = Math.max(MIN_HEIGHT, share * height);
    context.fillRect(x, (height - tall) / 2, BAR_WIDTH, tall);
  };
  bars.forEach(({ peak, body }, i) => {
    const seconds = ((i + 0.5) / bars.length) * durationSeconds;
    const label = sections?.[sectionAt(sections, seconds)]?.label ?? null;
    const x = i * distance;
    context.fillStyle =
      i < played ? palette.played(label) : i < ready ? palette.ahead(label) : palette.unknown;
    context.globalAlpha = PEAK_ALPHA;
    column(x, peak);
    context.globalAlpha = 1;
    column(x, body);
  });
  context.fillStyle = palette.tick;
  for (const { startSeconds } of sections?.slice(1) ?? []) {
    context.fillRect((startSeconds / durationSeconds) * width - TICK_WIDTH, 0, TICK_WIDTH, height);
  }
}

const ORDINALS = [
  "first",
  "second",
  "third",
  "fourth",
  "fifth",
  "sixth",
  "seventh",
  "eighth",
  "ninth",
  "tenth",
] as const;

/**
 * Which section a position lies in, for the slider's words: "section 3 of 5, like the first". Null where there is only
 * one, or none is known.
 */
export function speakSection(sections: readonly Section[] | null, seconds: number): string | null {
  if (!sections || sections.length < 2) return null;
  const index = sectionAt(sections, seconds);
  const place = `section ${index + 1} of ${sections.length}`;
  const like = sections.findIndex(({ label }) => label === sections[index]?.label);
  if (like === index) return place;
  const ordinal = ORDINALS[like];
  return `${place}, like ${ordinal === undefined ? `section ${like + 1}` : `the ${ordinal}`}`;
}
