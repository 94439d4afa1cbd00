import { effect } from "@preact/signals";
import type { Disposer, Scope } from "../player/scope";
import { lookFromSearch, lookToSearch, type LookFromSearch } from "./look";
import type { Playground } from "./playground";

/** A slider that is moved changes the look many times a second; browsers let a page change its address less often. */
const SETTLED_MS = 400;

/** Take over what the page's address asks for, and say what of it cannot be had. */
export function readAddress(playground: Playground, search: string): LookFromSearch {
  const { choices } = playground;
  const visuals = choices.visuals.map(({ id }) => id);
  const wanted = lookFromSearch(search, { visuals, visual: choices.visual.peek().id });
  choices.apply(wanted.look);
  for (const problem of wanted.problems) playground.notices.show("info", `In the link: ${problem}`);
  return wanted;
}

/** Keep the address as it has to be for somebody else to see the same. */
export function writeAddress(scope: Scope, playground: Playground): void {
  let cancel: Disposer | null = null;
  let first = true;
  scope.own(
    effect(() => {
      const search = lookToSearch(playground.look.value, playground.track.value?.title ?? null);
      // The address that the person came with stays until something is chosen.
      if (first) {
        first = false;
        return;
      }
      cancel?.();
      cancel = scope.timeout(SETTLED_MS, () => {
        cancel = null;
        history.replaceState(null, "", search + location.hash);
      });
    }),
  );
}
