import { Scope } from "./scope";

/** A context that has not begun to run after this time is being held back by the browser. */
const PATIENCE_MS = 1000;

/** Let an audio context run. @returns whether it does */
export async function resume(context: AudioContext): Promise<boolean> {
  if (context.state === "running") return true;
  const waiting = new Scope();
  const impatient = new Promise<void>((resolve) => waiting.timeout(PATIENCE_MS, resolve));
  // Where the browser holds it back, the promise of `resume` stays open instead of failing.
  await Promise.race([context.resume().catch(() => undefined), impatient]);
  waiting.dispose();
  return (context.state as AudioContextState) === "running";
}
