import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { EncodingCache } from "../cache/encoding-cache";
import { lookToSearch } from "./look";
import type { Playground } from "./playground";
import { PresetChooser } from "./preset-chooser";
import type { Presets } from "./presets";

interface KeepingProps {
  readonly playground: Playground;
  readonly presets: Presets;
  readonly cache: EncodingCache;
}

/** What outlasts the visit: looks, and what the models have heard. */
export function Keeping({ playground, presets, cache }: KeepingProps): JSX.Element {
  const keptBytes = useSignal<number | null>(null);
  const link = () => {
    const search = lookToSearch(playground.look.peek(), playground.track.peek()?.title ?? null);
    return new URL(search, location.href.replace(/[?#].*$/, "")).href;
  };
  const look = async () => {
    keptBytes.value = await cache.sizeBytes();
  };
  return (
    <details class="group more" onToggle={() => void look()}>
      <summary>Keep and share</summary>
      <PresetChooser
        presets={presets}
        current={() => playground.look.peek()}
        onApply={(chosen) => playground.applyLook(chosen)}
        link={link}
      />
      {keptBytes.value !== null && (
        <p class="help muted" role="status">
          What the models have heard in your tracks is kept in this browser, so that a track is ready at once
          the next time: {(keptBytes.value / 1e6).toFixed(1)} MB, no sound.{" "}
          <button type="button" class="link-button" onClick={() => void cache.clear().then(look)}>
            Forget it
          </button>
        </p>
      )}
    </details>
  );
}
