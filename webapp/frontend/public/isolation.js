/**
 * The service worker of src/isolation.ts: adds the headers of webapp/server.py that isolate a page, where the host
 * sends none. Browsers look for them on documents and on the scripts of workers only; anything else (models, music,
 * ranges of it) goes its way without passing here, and nothing is kept.
 */
const ISOLATED = ["document", "iframe", "frame", "worker", "sharedworker"];
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.oninstall = () => self.skipWaiting(); // it keeps nothing, so that a new version need not wait for the old one

self.onfetch = (event) => {
  const { destination, url } = event.request;
  if (ISOLATED.includes(destination) && new URL(url).origin === self.location.origin) {
    event.respondWith(isolated(event.request));
  }
};

async function isolated(request) {
  const response = await fetch(request);
  if (response.type !== "basic") return response; // a redirect, which the browser follows and asks again
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) {
    if (!headers.has(name)) headers.set(name, value);
  }
  const { body, status, statusText } = response;
  return new Response(body, { status, statusText, headers });
}
