import type { JSX } from "preact";
import { CalmChoice } from "./calm-choice";
import { Dialog } from "./dialog";
import type { Playground } from "./playground";

/** What people who react to flashing light have to know before the first picture moves. */
export function LightNote({ playground }: { playground: Playground }): JSX.Element {
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
      <CalmChoice settings={playground.settings} />
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
