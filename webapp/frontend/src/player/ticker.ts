/** A worker that only keeps time: a hidden page's own timers are slowed down to one a second, a worker's are not. */

/** The picture in a small window needs no more frames than this gives. */
const TICK_MS = 33;

function tick(): void {
  self.postMessage(null);
  setTimeout(tick, TICK_MS);
}

tick();
