import type { JSX } from "preact";
import { Dialog } from "./dialog";
import { SHORTCUTS } from "./keyboard";

export function Keys({ open, onClose }: { open: boolean; onClose: () => void }): JSX.Element {
  return (
    <Dialog open={open} title="Keys" onClose={onClose}>
      <dl class="keys">
        {SHORTCUTS.map(([keys, effect]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{effect}</dd>
          </div>
        ))}
      </dl>
      <div class="dialog-actions">
        <button type="button" class="button primary" autofocus onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
