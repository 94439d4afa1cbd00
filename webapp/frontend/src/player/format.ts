/** Times and names as people read them. */

/** `75.4` becomes `1:15`; hours appear only when there are any. */
export function formatTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const s = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${s}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${s}`;
}

/** What a screen reader says for a position: `1 minute 15 seconds of 3 minutes`. */
export function speakPosition(seconds: number, durationSeconds: number): string {
  return `${speakTime(seconds)} of ${speakTime(durationSeconds)}`;
}

export function speakTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const parts = [
    count(Math.floor(whole / 3600), "hour"),
    count(Math.floor(whole / 60) % 60, "minute"),
    count(whole % 60, "second"),
  ].filter((part) => part !== null);
  return parts.length > 0 ? parts.join(" ") : "0 seconds";
}

function count(n: number, unit: string): string | null {
  if (n === 0) return null;
  return n === 1 ? `1 ${unit}` : `${n} ${unit}s`;
}

export function formatPercent(fraction: number): string {
  return `${Math.round(fraction * 100)}%`;
}

const NAMES_LISTED = 3;

/** `a`, `a and b`, `a, b, c and 12 more`. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_LISTED);
  const last = names.length > NAMES_LISTED ? `${names.length - NAMES_LISTED} more` : shown.pop();
  return shown.length === 0 ? (last ?? "") : `${shown.join(", ")} and ${last ?? ""}`;
}

/** A file's name as a title: no folder, no extension, underscores read as spaces. */
export function titleOfFile(name: string): string {
  const base = name.replace(/^.*[\\/]/, "");
  const title = base
    .replace(/\.[a-z0-9]{1,5}$/i, "")
    .replaceAll("_", " ")
    .trim();
  return title || base || "Untitled";
}

/** How long the past keeps half of its weight in an exponential average of weight `retention` per tick. */
export function halfLifeSeconds(retention: number, tickSeconds: number): number {
  if (retention <= 0) return 0;
  if (retention >= 1) return Infinity;
  return (tickSeconds * Math.LN2) / -Math.log(retention);
}
