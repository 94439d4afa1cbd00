import type { JSX } from "preact";
import { Dialog } from "./dialog";
import type { Playground } from "./playground";

/** What people who react to flashing light have to know before the first picture moves. */
export function LightNote({ playground }: { playground: Playground }): JSX.Element {
  const { calm } = playground.settings;
  return (
    <Dialog
      open={playground.noteOpen.value}
      title="Before it starts to move"
      onClose={() => playground.declineNote()}
    >
      <p>
        The picture follows the music and can change its light and colours quickly. If flashing light affects
        you, for example through photosensitive epilepsy or migraine, choose the calm picture or leave it be.
      </p>
      <label class="check">
        <input
          type="checkbox"
          checked={calm.value}
          onChange={(event) => (calm.value = event.currentTarget.checked)}
        />
        <span>
          Calm picture
          <small class="muted">Slower camera, no sudden brightness</small>
        </span>
      </label>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={() => playground.declineNote()}>
          Not now
        </button>
        <button type="button" class="button primary" autofocus onClick={() => void playground.acceptNote()}>
          Start the music
        </button>
      </div>
    </Dialog>
  );
}
