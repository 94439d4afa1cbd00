import { useSignal, type Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { Scope } from "../player/scope";
import { rowForKey, scrollTopFor, visibleRows } from "./visible-rows";

interface RowListProps {
  readonly label: string;
  readonly count: number;
  /** The row that Tab leads to; only its buttons take part. */
  readonly active: Signal<number>;
  readonly keyOf: (row: number) => number;
  readonly isCurrent?: (row: number) => boolean;
  /** The buttons of a row. */
  readonly render: (row: number, tabIndex: 0 | -1) => JSX.Element;
  /** What keys mean beyond walking through the list. @returns whether the key was meant */
  readonly onKey?: (event: KeyboardEvent, row: number) => boolean;
  /** Filled with what moves the focus to a button of a row. */
  readonly focus?: { current: ((row: number, button: number) => void) | null };
}

/** A list of any length, of which only what is seen is in the document. Arrows walk through it. */
export function RowList(props: RowListProps): JSX.Element {
  const { label, count, active, keyOf, isCurrent, render, onKey, focus } = props;
  const scope = useMemo(() => new Scope(), []);
  const list = useRef<HTMLUListElement>(null);
  const seen = useSignal({ top: 0, height: 0, rowHeight: 0 });
  /** The button of the active row that wants the focus once it is in the document. */
  const wanted = useRef<number | null>(null);
  const row = Math.max(0, Math.min(active.value, count - 1));

  const look = () => {
    const element = list.current;
    if (!element) return;
    const rowHeight = (element.firstElementChild?.clientHeight ?? 0) / Math.max(1, count);
    const { scrollTop: top, clientHeight: height } = element;
    const before = seen.peek();
    if (top !== before.top || height !== before.height || rowHeight !== before.rowHeight) {
      seen.value = { top, height, rowHeight };
    }
  };
  const latest = useRef(look);
  latest.current = look;
  useEffect(() => {
    scope.listen(window, "resize", () => latest.current());
    return () => scope.dispose();
  }, [scope]);
  useLayoutEffect(look);
  useLayoutEffect(() => {
    if (wanted.current === null) return;
    const buttons = list.current?.querySelectorAll<HTMLElement>("[data-active='true'] button") ?? [];
    buttons[Math.min(wanted.current, buttons.length - 1)]?.focus({ preventScroll: true });
    wanted.current = null;
  });

  const go = (to: number, button: number) => {
    const element = list.current;
    const { rowHeight, height } = seen.peek();
    if (element) element.scrollTop = scrollTopFor(to, element.scrollTop, height, rowHeight);
    wanted.current = button;
    active.value = to;
    seen.value = { ...seen.peek() }; // draws again, also where the row is the same
  };
  if (focus) focus.current = go;

  const press = (event: KeyboardEvent) => {
    const item = (event.target as Element).closest("li");
    const button = item ? [...item.querySelectorAll("button")].indexOf(event.target as HTMLButtonElement) : 0;
    if (onKey?.(event, row)) {
      event.preventDefault();
      go(Math.min(active.peek(), count - 1), Math.max(0, button));
      return;
    }
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const sideways = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const { height, rowHeight } = seen.peek();
    const to = sideways ? row : rowForKey(event.key, row, count, Math.max(1, Math.floor(height / rowHeight)));
    if (to === null) return;
    event.preventDefault();
    go(to, Math.max(0, button + sideways));
  };

  const { first, end } = visibleRows(seen.value.top, seen.value.height, seen.value.rowHeight, count);
  const rows = Array.from({ length: end - first }, (_, i) => first + i);
  // The focus must not be lost when its row scrolls out of sight.
  if (count > 0 && row < first) rows.unshift(row);
  if (count > 0 && row >= end) rows.push(row);
  return (
    <ul ref={list} class="rows" aria-label={label} onScroll={look} onKeyDown={press}>
      <li class="rows-space" aria-hidden="true" style={{ "--rows": count }} />
      {rows.map((i) => (
        <li
          key={keyOf(i)}
          class="row"
          style={{ "--at": i }}
          aria-posinset={i + 1}
          aria-setsize={count}
          aria-current={isCurrent?.(i) ? "true" : undefined}
          data-active={i === row}
          onFocusCapture={() => {
            if (wanted.current === null) active.value = i;
          }}
        >
          {render(i, i === row ? 0 : -1)}
        </li>
      ))}
    </ul>
  );
}
