const MAX_DETAIL_LENGTH = 200;

/**
 * A sentence about what nobody foresaw, with the browser's own words where it has any.
 *
 * @param what happened, without a full stop
 * @param remedy a sentence
 */
export function unexpected(what: string, error: unknown, remedy: string): string {
  const detail = (error instanceof Error ? error.message : String(error)).split("\n")[0]?.trim() ?? "";
  const said = detail === "" ? "" : `; the browser says “${detail.slice(0, MAX_DETAIL_LENGTH)}”`;
  return `${what} unexpectedly${said}. ${remedy}`;
}
