import type { JSX } from "preact";
import type { Settings } from "./settings";

/** Whether the picture keeps calm: asked before the first start and in the settings. */
export function CalmChoice({ settings }: { settings: Settings }): JSX.Element {
  const { calm } = settings;
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={calm.value}
        onChange={(event) => (calm.value = event.currentTarget.checked)}
      />
      <span>
        Calm picture
        <small class="muted">Everything moves less and more slowly</small>
      </span>
    </label>
  );
}
