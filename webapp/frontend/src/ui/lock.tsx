import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Scope, type Disposer } from "../player/scope";
import { LockIcon } from "./icons";

/** Long enough that no stray touch unlocks. */
const HOLD_MS = 900;
const SHOWN_MS = 2500;

/** Lies over the locked page, takes every press, and shows the way out to those who have no keys. */
export function Lock({ locked }: { locked: Signal<boolean> }): JSX.Element | null {
  const scope = useMemo(() => new Scope(), []);
  useEffect(() => () => scope.dispose(), [scope]);
  const shown = useSignal(false);
  const holding = useSignal(false);
  const hide = useRef<Disposer | null>(null);
  const release = useRef<Disposer | null>(null);
  if (!locked.value) return null;
  const wake = () => {
    shown.value = true;
    hide.current?.();
    hide.current = scope.timeout(SHOWN_MS, () => (shown.value = false));
  };
  const letGo = () => {
    holding.value = false;
    release.current?.();
  };
  return (
    <div class="lock" onPointerDown={wake}>
      <button
        type="button"
        class="button lock-button"
        data-shown={shown.value}
        data-holding={holding.value}
        onPointerDown={() => {
          holding.value = true;
          release.current = scope.timeout(HOLD_MS, () => {
            letGo();
            locked.value = false;
          });
        }}
        onPointerUp={letGo}
        onPointerLeave={letGo}
        onPointerCancel={letGo}
        // Screen readers and switches press without a pointer: for them there is no stray touch.
        onClick={(event) => {
          if (event.detail === 0) locked.value = false;
        }}
      >
        <LockIcon />
        Hold to unlock
      </button>
    </div>
  );
}
