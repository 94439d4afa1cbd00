import type { Scope } from "../player/scope";

/** Call back when the window comes to a screen of another density: no element needs to change its size for it. */
export function onPixelRatio(scope: Scope, callback: () => void): void {
  const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
  const stop = scope.listen(query, "change", () => {
    stop();
    onPixelRatio(scope, callback);
    callback();
  });
}
