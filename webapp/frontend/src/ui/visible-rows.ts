/** Rows beyond the edges, so that a quick scroll shows no gap. */
const SPARE_ROWS = 4;

export interface RowRange {
  readonly first: number;
  /** One past the last. */
  readonly end: number;
}

/** Which rows of equal height are to be seen, and a few around them. */
export function visibleRows(scrollTop: number, height: number, rowHeight: number, count: number): RowRange {
  if (!(rowHeight > 0)) return { first: 0, end: Math.min(count, SPARE_ROWS) };
  const first = Math.floor(Math.max(0, scrollTop) / rowHeight) - SPARE_ROWS;
  const end = Math.ceil((Math.max(0, scrollTop) + height) / rowHeight) + SPARE_ROWS;
  return { first: Math.max(0, Math.min(first, count)), end: Math.max(0, Math.min(end, count)) };
}

/** Where to scroll so that a row is seen whole, moving as little as possible. */
export function scrollTopFor(row: number, scrollTop: number, height: number, rowHeight: number): number {
  const top = row * rowHeight;
  return Math.max(Math.min(scrollTop, top), top + rowHeight - height);
}

/** Which row a key leads to; null for other keys. */
export function rowForKey(key: string, row: number, count: number, rowsPerPage: number): number | null {
  const steps: Readonly<Record<string, number>> = {
    ArrowUp: -1,
    ArrowDown: 1,
    PageUp: -rowsPerPage,
    PageDown: rowsPerPage,
    Home: -count,
    End: count,
  };
  const step = steps[key];
  return step === undefined ? null : Math.max(0, Math.min(count - 1, row + step));
}
