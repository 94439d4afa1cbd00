import type { JSX } from "preact";
import type { Bundle, ScalingMethod, ScalingMode } from "../bundle";
import { Choice } from "./fields";
import {
  hidesImportance,
  offeredMapping,
  PROJECTION_WORDS,
  type MappingChoice,
  type Words,
} from "./listening";
import type { Models } from "./models";
import type { Playground } from "./playground";

export function ModelChooser({ models }: { models: Models }): JSX.Element {
  const entries = models.entries.value;
  const name = models.name.value ?? "";
  const state = models.state.value;
  return (
    <label class="field">
      <span>Model</span>
      <select
        value={name}
        disabled={entries.length === 0}
        onChange={(event) => void models.choose(event.currentTarget.value)}
      >
        {name === "" && (
          <option value="" selected>
            none
          </option>
        )}
        {entries.map((model) => (
          <option key={model.name} value={model.name} selected={model.name === name}>
            {model.title}
          </option>
        ))}
      </select>
      <small class="help muted">
        The network that listens. Each one hears other things in the same song.{" "}
        {state.kind === "ready" && speakModel(state.analyst.bundle)}
      </small>
    </label>
  );
}

/** What the model gives at every moment, encoder by encoder. */
function speakModel({ encoders }: Pick<Bundle, "encoders">): string {
  const parts = encoders.map(({ encodingSize, layer, stepSeconds, genres, tags }) => {
    const from = layer === "encoding" ? "" : ` of layer ${layer}`;
    const known = [genres && `${genres.length} genres`, tags && `${tags.names.length} tags`].filter(Boolean);
    const knows = known.length > 0 ? `, and knows ${known.join(" and ")}` : "";
    return `${encodingSize} numbers${from} every ${formatStep(stepSeconds)}${knows}`;
  });
  return `This one gives ${parts.join("; ")}.`;
}

function formatStep(seconds: number): string {
  return seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${Number(seconds.toFixed(2))} s`;
}

/** What people read for the names that bundles use. */
const MODE_WORDS: Words<ScalingMode> = {
  features: [
    "Each by itself",
    "Every number is stretched over its own range, so all ten move about equally.",
  ],
  across: [
    "All together",
    "One stretch for all ten: what varies more in the music moves more in the picture.",
  ],
};
const METHOD_WORDS: Words<ScalingMethod> = {
  standard: ["Usual range", "What is common fills the range; rare extremes are cut off. Lively."],
  robust: ["Nearly whole range", "All but the rarest extremes fit into the range."],
  minmax: ["Whole range", "Only the greatest extremes reach the ends; nothing is cut off. Quieter."],
  "per-track": ["This track’s range", "Measured on the track that plays, so that quiet pieces move, too."],
};

export function MappingChooser({ playground }: { playground: Playground }): JSX.Element | null {
  const { choices, models } = playground;
  const analyst = models.analyst.value;
  const mapping = choices.mapping.value;
  if (!analyst || !mapping) return null;
  const { projections } = analyst.bundle.mappings;
  const scalings = projections.find(({ name }) => name === mapping.projection)?.scalings ?? [];
  const choose = (change: Partial<MappingChoice>) => {
    choices.chooseMapping(offeredMapping(projections, { ...mapping, ...change }));
  };
  return (
    <>
      {projections.length > 1 && (
        <label class="field">
          <span>Mapping</span>
          <select
            value={mapping.projection}
            onChange={({ currentTarget: { value } }) => {
              const chosen = projections.find(({ name }) => name === value);
              if (chosen) choose({ projection: chosen.name });
            }}
          >
            {projections.map(({ name }) => (
              <option key={name} value={name} selected={name === mapping.projection}>
                {PROJECTION_WORDS[name][0]}
              </option>
            ))}
          </select>
          <small class="help muted">
            How what the model hears becomes the ten numbers that move the picture.{" "}
            {PROJECTION_WORDS[mapping.projection][1]}
          </small>
        </label>
      )}
      <fieldset class="subgroup">
        <legend>Scaling</legend>
        {unique(scalings.map(({ mode }) => mode)).map((mode) => (
          <Choice
            key={mode}
            group="mode"
            title={MODE_WORDS[mode][0]}
            help={MODE_WORDS[mode][1]}
            checked={mapping.mode === mode}
            onChoose={() => choose({ mode })}
          />
        ))}
        <p class="help muted" role="status">
          {hidesImportance(mapping) &&
            "Sorted by importance and then each stretched by itself: the last number moves as much as the first, " +
              "so their order no longer shows. “All together” keeps it."}
        </p>
      </fieldset>
      <fieldset class="subgroup">
        <legend>Method</legend>
        {scalings
          .filter(({ mode }) => mode === mapping.mode)
          .map(({ method }) => (
            <Choice
              key={method}
              group="method"
              title={METHOD_WORDS[method][0]}
              help={METHOD_WORDS[method][1]}
              checked={mapping.method === method}
              onChoose={() => choose({ method })}
            />
          ))}
      </fieldset>
    </>
  );
}

function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)];
}
