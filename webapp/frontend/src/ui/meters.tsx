import { useSignal, type Signal } from "@preact/signals";
import type { JSX, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { formatPercent } from "../player/format";
import { Scope } from "../player/scope";
import type { VisualFrame } from "../visuals/visual";
import { InvertIcon, LinkIcon, UnlinkIcon } from "./icons";
import type { Playground } from "./playground";
import type { Wire } from "./wiring";

/** The meters are for reading: more often than this would only cost. */
const INTERVAL_MS = 40;

/** A number that is dragged: from which row, over which row, how far. */
interface Drag {
  readonly from: number;
  readonly over: number;
  readonly distance: number;
}

/**
 * One row for each of the visual's ten parameters: what drives it, how much just now, upside down or not, or held.
 *
 * The model's numbers are chips that can be dragged, or moved with the arrow keys, from one parameter to another.
 */
export function Meters({ playground }: { playground: Playground }): JSX.Element {
  const { choices } = playground;
  const list = useRef<HTMLOListElement>(null);
  const drag = useSignal<Drag | null>(null);
  const said = useSignal("");
  const { parameters } = choices.visual.value;
  const wires = choices.wires.value;
  const steps = choices.stepsSeconds.value;
  const finest = Math.min(...steps);
  const hasBoth = new Set(steps).size > 1;

  useEffect(() => {
    let shownMs = -Infinity;
    return playground.onFrame((frame) => {
      const nowMs = performance.now();
      // While nothing plays this may be the last frame for long: it has to be shown.
      if (playground.phase.peek() === "playing" && nowMs - shownMs < INTERVAL_MS) return;
      shownMs = nowMs;
      if (list.current) show(list.current, frame);
    });
  }, [playground]);

  const move = (from: number, to: number) => {
    if (to < 0 || to >= parameters.length || to === from) return;
    const number = (wires[from]?.source ?? from) + 1;
    choices.moveSource(from, to);
    said.value = `Number ${number} drives ${parameters[to]?.label ?? ""} now.`;
    // The focus goes with the number.
    requestChipFocus(list, to);
  };

  return (
    <>
      <ol class="meters" ref={list} data-dragging={drag.value !== null}>
        {parameters.map(({ name, label, rest }, i) => {
          const wire = wires[i] ?? { source: i, inverted: false, held: null };
          const pace = hasBoth ? (steps[wire.source] === finest ? "beat" : "song") : null;
          return (
            <li
              key={name}
              class="meter-row"
              data-held={wire.held !== null}
              data-target={drag.value !== null && drag.value.over === i && drag.value.from !== i}
            >
              <span class="meter-label" title={label}>
                {label}
              </span>
              {wire.held === null ? (
                <span
                  class="meter"
                  role="meter"
                  aria-label={label}
                  aria-valuemin={0}
                  aria-valuemax={1}
                  aria-valuenow={rest}
                  data-name={name}
                />
              ) : (
                <Hold label={label} value={wire.held} onInput={(held) => choices.changeWire(i, { held })} />
              )}
              <Chip place={i} wire={wire} label={label} pace={pace} drag={drag} list={list} onMove={move} />
              <button
                type="button"
                class="mini-button"
                aria-label={`${label} upside down`}
                title="Upside down: less where the music is more"
                aria-pressed={wire.inverted}
                disabled={wire.held !== null}
                onClick={() => choices.changeWire(i, { inverted: !wire.inverted })}
              >
                <InvertIcon />
              </button>
              <button
                type="button"
                class="mini-button"
                aria-label={`${label} follows the music`}
                title={wire.held === null ? "Hold this where you want it" : "Let the music drive this again"}
                aria-pressed={wire.held === null}
                onClick={() => choices.changeWire(i, { held: wire.held === null ? rest : null })}
              >
                {wire.held === null ? <LinkIcon /> : <UnlinkIcon />}
              </button>
            </li>
          );
        })}
      </ol>
      <p class="visually-hidden" role="status">
        {said.value}
      </p>
      <p class="help muted">
        Drag a number to another row, or move it with the arrow keys.
        {hasBoth && (
          <>
            {" "}
            <span class="pace" data-pace="beat">
              These
            </span>{" "}
            move with the beat,{" "}
            <span class="pace" data-pace="song">
              these
            </span>{" "}
            change with the song.
          </>
        )}{" "}
        <button type="button" class="link-button" onClick={() => choices.resetWires()}>
          As it suits the picture
        </button>
      </p>
    </>
  );
}

interface ChipProps {
  readonly place: number;
  readonly wire: Wire;
  readonly label: string;
  readonly pace: "beat" | "song" | null;
  readonly drag: Signal<Drag | null>;
  readonly list: RefObject<HTMLOListElement | null>;
  readonly onMove: (from: number, to: number) => void;
}

/** One of the model's numbers, to be taken to another parameter. */
function Chip({ place, wire, label, pace, drag, list, onMove }: ChipProps): JSX.Element {
  const startY = useRef(0);
  const mine = drag.value?.from === place ? drag.value : null;
  const end = (event: PointerEvent, commit: boolean) => {
    if (!mine) return;
    drag.value = null;
    (event.currentTarget as HTMLElement).releasePointerCapture(event.pointerId);
    if (commit) onMove(place, mine.over);
  };
  return (
    <button
      type="button"
      class="chip"
      data-pace={pace}
      data-place={place}
      aria-label={`Number ${wire.source + 1}${pace === null ? "" : `, of the ${pace}`}, drives ${label}`}
      aria-keyshortcuts="ArrowUp ArrowDown"
      title="Drag to another row"
      style={mine ? { transform: `translateY(${mine.distance}px)` } : {}}
      data-dragged={mine !== null}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        startY.current = event.clientY;
        drag.value = { from: place, over: place, distance: 0 };
      }}
      onPointerMove={(event) => {
        if (!mine) return;
        const over = list.current ? rowAt(list.current, event.clientY) : place;
        drag.value = { from: place, over, distance: event.clientY - startY.current };
      }}
      onPointerUp={(event) => end(event, true)}
      onPointerCancel={(event) => end(event, false)}
      onKeyDown={(event) => {
        if (event.key === "Escape" && mine) drag.value = null;
        else if (event.key === "ArrowUp") onMove(place, place - 1);
        else if (event.key === "ArrowDown") onMove(place, place + 1);
        else return;
        event.preventDefault();
      }}
    >
      {wire.source + 1}
    </button>
  );
}

interface HoldProps {
  readonly label: string;
  readonly value: number;
  readonly onInput: (value: number) => void;
}

function Hold({ label, value, onInput }: HoldProps): JSX.Element {
  return (
    <input
      type="range"
      class="range hold"
      aria-label={`${label}, held`}
      aria-valuetext={formatPercent(value)}
      min={0}
      max={1}
      step={0.01}
      value={value}
      style={{ "--fill": value }}
      onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
    />
  );
}

/** The row at that height; the nearest one outside of the list. */
function rowAt(list: HTMLElement, clientY: number): number {
  const rows = [...list.children];
  const below = rows.findIndex((row) => clientY < row.getBoundingClientRect().bottom);
  return below < 0 ? rows.length - 1 : below;
}

/** Focus a row's chip once it shows its new number. */
function requestChipFocus(list: RefObject<HTMLOListElement | null>, place: number): void {
  const scope = new Scope();
  scope.timeout(0, () => list.current?.querySelector<HTMLElement>(`[data-place="${place}"]`)?.focus());
}

/** Straight to the elements: ten values 25 times a second are no reason to build components anew. */
function show(list: HTMLElement, frame: VisualFrame): void {
  [...list.children].forEach((row, i) => {
    const meter = row.querySelector<HTMLElement>(".meter");
    const value = String(Math.round((frame.parameters[i] ?? 0) * 1000) / 1000);
    if (!meter || meter.getAttribute("aria-valuenow") === value) return;
    meter.setAttribute("aria-valuenow", value);
    meter.style.setProperty("--value", value);
  });
}
