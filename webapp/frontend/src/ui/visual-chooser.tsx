import type { JSX } from "preact";
import type { Choices } from "./choices";
import { DiceIcon } from "./icons";

/** More would not fit into an address that people read. */
const N_SEEDS = 10_000;

/** Every visual with a small picture of it. */
export function VisualChooser({ choices, group }: { choices: Choices; group: string }): JSX.Element {
  const chosen = choices.visual.value;
  return (
    <fieldset class="visuals">
      <legend class="visually-hidden">Picture</legend>
      <div class="visual-grid">
        {choices.visuals.map(({ id, title, description }) => (
          <label key={id} class="visual-card" title={description}>
            <input
              type="radio"
              class="visually-hidden"
              name={group}
              value={id}
              checked={chosen.id === id}
              onChange={() => choices.chooseVisual(id)}
            />
            {/* What is lazy must be so before it has an address. */}
            <img loading="lazy" decoding="async" src={`pictures/${id}.jpg`} alt="" width={160} height={90} />
            <span>{title}</span>
          </label>
        ))}
      </div>
      <div class="visual-more">
        <p class="help muted">{chosen.description}</p>
        <button
          type="button"
          class="button small"
          title="Another arrangement of the same picture"
          onClick={() => choices.chooseSeed(Math.floor(Math.random() * N_SEEDS))}
        >
          <DiceIcon />
          Another one
        </button>
      </div>
    </fieldset>
  );
}
