/**
 * Isolation of the page where the host does not send the headers for it, as most hosts of plain files do not: the
 * service worker (offline/worker.ts) adds them. Without isolation there is no shared memory, and WASM runs on one thread.
 */
import { registerWorker } from "./offline/offline";

/**
 * In the state of the page's entry in the history: it was just reloaded to be isolated, and is not reloaded again.
 * Session storage would not do: Chromium may show an isolated page and the same page before it different ones.
 */
const RELOADED = "reloaded to be isolated";
/** A page on one thread is better than one that does not begin. */
const PATIENCE_MS = 3_000;

/** Settles when the page may begin: isolated or not, but never when it is about to be reloaded. */
export async function isolate(): Promise<void> {
  const wasReloaded = history.state === RELOADED;
  if (wasReloaded) history.replaceState(null, "");
  if (crossOriginIsolated || wasReloaded) return;
  if (window.parent !== window) return; // a framed page is isolated only if the page around it is
  if (!(await workerIsActive())) return;
  history.replaceState(RELOADED, "");
  location.reload();
  await new Promise<never>(() => undefined);
}

/** Whether the next load of this page passes through the worker. */
async function workerIsActive(): Promise<boolean> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const impatient = new Promise<boolean>((resolve) =>
    patience.addEventListener("abort", () => resolve(false), { once: true }),
  );
  return Promise.race([impatient, start(patience)]);
}

async function start(signal: AbortSignal): Promise<boolean> {
  const registration = await registerWorker();
  if (!registration) return false; // one thread, then
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  return new Promise((resolve) => {
    const look = () => {
      if (worker?.state === "activated") resolve(true);
      else if (worker === null || worker.state === "redundant") resolve(false);
    };
    worker?.addEventListener("statechange", look, { signal });
    look();
  });
}
