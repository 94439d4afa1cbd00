/**
 * The service worker, `service-worker.js` of the built site: lets the page work without network, and isolates it where
 * the host does not send the headers for that (src/isolation.ts).
 *
 * It takes over pages when they are loaded, never halfway, and gives way to its successor when the last of them is
 * closed. Installing costs nothing: the page says when it has time for copies to be made.
 */
import { readKeepRequest } from "./keep-request";
import { Keeper, type Build } from "./keeper";

declare const self: ServiceWorkerGlobalScope;
/** Put in by the build. */
declare const TFDEEPVIZ_BUILD: Build;

const keeper = new Keeper(self.registration.scope, TFDEEPVIZ_BUILD, caches, (input, init) =>
  fetch(input, init),
);

self.onfetch = (event) => {
  const answer = keeper.answer(event.request);
  if (answer) event.respondWith(answer);
};

self.onmessage = (event) => {
  const request = readKeepRequest(event.data);
  const [port] = event.ports;
  if (!request || !port) return;
  event.waitUntil(
    keeper.keep(request.addresses).then(
      () => port.postMessage(null),
      (error: unknown) => port.postMessage(String(error)),
    ),
  );
};
