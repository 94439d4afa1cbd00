/** The headers of webapp/server.py that isolate a page. Browsers look for them on documents and on scripts of workers. */
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};
const DESTINATIONS: readonly RequestDestination[] = ["document", "iframe", "frame", "worker", "sharedworker"];

export function needsIsolation({ destination }: Pick<Request, "destination">): boolean {
  return DESTINATIONS.includes(destination);
}

/** The same answer with the headers that its host does not send. */
export function isolated(response: Response): Response {
  if (response.status === 0) return response; // a redirect, which the browser follows and asks again
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) {
    if (!headers.has(name)) headers.set(name, value);
  }
  const { body, status, statusText } = response;
  return new Response(body, { status, statusText, headers });
}
