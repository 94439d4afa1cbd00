/** The page's side of its service worker (worker.ts). */
import type { Bundle } from "../bundle";
import type { KeepRequest } from "./keep-request";

/** The service worker of this page; null where there is none: while developing, and where the browser allows none. */
export async function registerWorker(): Promise<ServiceWorkerRegistration | null> {
  if (!import.meta.env.PROD || !isSecureContext || !("serviceWorker" in navigator)) return null;
  try {
    return await navigator.serviceWorker.register(new URL("service-worker.js", document.baseURI));
  } catch {
    return null; // not there, or not allowed here: the page works as long as there is a network
  }
}

/**
 * Have the page and these files of its site kept, so that they are there without network. To be called when the page
 * has what it needs itself.
 *
 * @returns whether all of it is kept now
 */
export async function keepOffline(addresses: readonly string[]): Promise<boolean> {
  if (!(await registerWorker())) return false;
  const { active } = await navigator.serviceWorker.ready;
  if (!active) return false;
  const { port1, port2 } = new MessageChannel();
  const request: KeepRequest = { kind: "keep", addresses };
  return new Promise((resolve) => {
    port1.onmessage = ({ data }: MessageEvent<unknown>) => {
      port1.close();
      resolve(data === null);
    };
    active.postMessage(request, [port2]);
  });
}

/** Everything that is fetched to use a model. */
export function addressesOf(bundle: Pick<Bundle, "url" | "files" | "frontend">): readonly string[] {
  const { frontend } = bundle;
  return [
    new URL("manifest.json", bundle.url).href,
    ...Object.keys(bundle.files).map((path) => new URL(path, bundle.url).href),
    ...Object.keys(frontend.files).map((path) => new URL(path, frontend.url).href),
  ];
}
