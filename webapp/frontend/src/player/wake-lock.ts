import type { ReadonlySignal } from "@preact/signals";
import type { Scope } from "./scope";

/** What of the browser is used; tests hand in their own. */
export interface WakeLockBrowser {
  /** Undefined where the browser has none, and on pages without HTTPS. */
  readonly locks: Pick<WakeLock, "request"> | undefined;
  /** Whether the page can be seen, and the event that tells of a change. */
  readonly page: Pick<Document, "visibilityState"> & EventTarget;
}

/** Keep the screen from going dark while that is wanted and the page can be seen. */
export function keepScreenOn(
  scope: Scope,
  wanted: ReadonlySignal<boolean>,
  { locks, page }: WakeLockBrowser = browserWakeLock(),
): void {
  if (!locks) return;
  let held: WakeLockSentinel | null = null;
  let asking = false;
  const isWanted = () => wanted.peek() && page.visibilityState === "visible" && !scope.disposed;
  const release = () => {
    void held?.release().catch(() => undefined);
    held = null;
  };
  const settle = async () => {
    if (!isWanted()) {
      release();
      return;
    }
    // The browser releases the lock of a page that is hidden.
    if (asking || held?.released === false) return;
    asking = true;
    // Refused on a low battery, or by whoever embeds the page: then the screen goes dark as it would anyway.
    held = await locks.request("screen").catch(() => null);
    asking = false;
    if (!isWanted()) release();
  };
  scope.own(release);
  scope.own(wanted.subscribe(() => void settle()));
  scope.listen(page as Document, "visibilitychange", () => void settle());
}

function browserWakeLock(): WakeLockBrowser {
  return { locks: (navigator as Partial<Navigator>).wakeLock, page: document };
}
