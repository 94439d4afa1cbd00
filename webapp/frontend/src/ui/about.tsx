import type { JSX } from "preact";
import { Dialog } from "./dialog";
import { SHORTCUTS } from "./keyboard";
import type { Playground } from "./playground";

interface AboutProps {
  readonly playground: Playground;
  readonly open: boolean;
  readonly onClose: () => void;
}

export function About({ playground, open, onClose }: AboutProps): JSX.Element {
  return (
    <Dialog open={open} title="About this page" onClose={onClose}>
      <p>
        Most music visualisers draw loudness and pitch. Here a neural network listens: it has learned to sum
        up every moment of music in ten numbers, and those ten numbers move the picture.
      </p>
      <p>
        <strong>Your music stays with you.</strong> The file is decoded, analysed and drawn in this page.
        Nothing of it is sent anywhere; the server only hands out the page, the model and the demo tracks.
      </p>
      <h3>Keys</h3>
      <dl class="keys">
        {SHORTCUTS.map(([keys, effect]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{effect}</dd>
          </div>
        ))}
      </dl>
      <h3>Under the hood</h3>
      <EngineReport playground={playground} />
      <div class="dialog-actions">
        <button type="button" class="button primary" autofocus onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function EngineReport({ playground }: { playground: Playground }): JSX.Element {
  const engine = playground.engine.value;
  if (engine.kind === "starting") return <p class="muted">The model is being prepared.</p>;
  if (engine.kind === "missing") return <p class="muted">No model is loaded. {engine.reason}</p>;
  const { bundle, backend } = engine.analyst;
  const difference = Math.max(...Object.values(backend.selfTest.encodings));
  const threads = backend.threads === 1 ? "one thread" : `${backend.threads} threads`;
  return (
    <p class="muted">
      {bundle.title}
      {bundle.version === null ? "" : `, version ${bundle.version}`}. It runs on{" "}
      {backend.name === "wasm" ? "WebAssembly" : "plain JavaScript"}
      {backend.simd ? " with SIMD" : ""}, {threads}. Before it was trusted, it repeated a calculation that
      Python had done; its encodings differed by {difference.toPrecision(1)} at most.
    </p>
  );
}
