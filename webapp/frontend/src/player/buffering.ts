/** When playback may run, and when it has to wait for the analysis. */

/** Analysed music that must lie ahead before playback starts or goes on. */
const LEAD_SECONDS = 1;
/** Playback waits when less than this is left ahead of it. */
const MARGIN_SECONDS = 0.1;

/**
 * Two thresholds, so that a slow analysis gives a few long waits instead of a stutter.
 *
 * @param waiting what held until now
 * @param readyUntilSeconds how far the track is analysed without a gap from the position on
 */
export function mustWait(
  waiting: boolean,
  positionSeconds: number,
  readyUntilSeconds: number,
  durationSeconds: number,
): boolean {
  const needed = Math.min(positionSeconds + (waiting ? LEAD_SECONDS : MARGIN_SECONDS), durationSeconds);
  return readyUntilSeconds < needed;
}
