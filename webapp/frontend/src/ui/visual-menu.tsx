import type { JSX } from "preact";
import { useId, useRef } from "preact/hooks";
import type { Choices } from "./choices";
import { PictureIcon } from "./icons";
import { VisualChooser } from "./visual-chooser";

/** The one choice that everybody wants at hand: a button, and all pictures above it. */
export function VisualMenu({ choices }: { choices: Choices }): JSX.Element {
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  return (
    <>
      <button
        type="button"
        class="visual-button"
        aria-haspopup="dialog"
        title="Choose another picture (N, P)"
        // Preact passes both on as they are.
        popovertarget={id}
      >
        <PictureIcon />
        <span class="visually-hidden">Picture: </span>
        <span class="visual-button-title">{choices.visual.value.title}</span>
      </button>
      <div
        id={id}
        ref={menu}
        popover="auto"
        role="dialog"
        aria-label="Pictures"
        class="visual-menu surface"
        onToggle={() => menu.current?.querySelector<HTMLElement>("input:checked")?.focus()}
      >
        <VisualChooser choices={choices} group="visual-menu" />
      </div>
    </>
  );
}
