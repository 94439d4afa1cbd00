import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import type { VisualFrame } from "../visuals/visual";
import { DownIcon, UpIcon } from "./icons";
import type { Playground } from "./playground";

/** The meters are for reading: more often than this would only cost. */
const INTERVAL_MS = 40;

/** One meter for each of the visual's ten parameters, with buttons that change which number drives which. */
export function Meters({ playground }: { playground: Playground }): JSX.Element {
  const list = useRef<HTMLOListElement>(null);
  const { parameters } = playground.visual.value;
  const order = playground.order.value;

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

  return (
    <ol class="meters" ref={list}>
      {parameters.map(({ name, label, rest }, i) => (
        <li key={name} class="meter-row">
          <span class="meter-label">{label}</span>
          <span
            class="meter"
            role="meter"
            aria-label={label}
            aria-valuemin={0}
            aria-valuemax={1}
            aria-valuenow={rest}
            data-name={name}
          />
          <span class="meter-driver muted" title="The model's number that drives this">
            {(order[i] ?? i) + 1}
          </span>
          <span class="meter-move">
            <button
              type="button"
              class="mini-button"
              aria-label={`Let ${label} be driven by the number above`}
              disabled={i === 0}
              onClick={() => playground.moveParameter(i, i - 1)}
            >
              <UpIcon />
            </button>
            <button
              type="button"
              class="mini-button"
              aria-label={`Let ${label} be driven by the number below`}
              disabled={i === parameters.length - 1}
              onClick={() => playground.moveParameter(i, i + 1)}
            >
              <DownIcon />
            </button>
          </span>
        </li>
      ))}
    </ol>
  );
}

/** Straight to the elements: ten values 25 times a second are no reason to build components anew. */
function show(list: HTMLElement, frame: VisualFrame): void {
  list.querySelectorAll<HTMLElement>(".meter").forEach((meter, i) => {
    const value = String(Math.round((frame.parameters[i] ?? 0) * 1000) / 1000);
    if (meter.getAttribute("aria-valuenow") === value) return;
    meter.setAttribute("aria-valuenow", value);
    meter.style.setProperty("--value", value);
  });
}
