const MAX_DETAIL_LENGTH = 200;

/**
 * A sentence about what nobody foresaw, with the browser's own words where it has any.
 *
 * @param what happened, without a full stop
 * @param remedy a sentence
 */
export function unexpected(what: string, error: unknown, remedy: string): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  const detail = line.trim().replaceAll(/[“”]/g, '"').slice(0, MAX_DETAIL_LENGTH);
  const said = detail === "" ? "" : `; the browser says “${detail}”`;
  return `${what} unexpectedly${said}. ${remedy}`;
}
