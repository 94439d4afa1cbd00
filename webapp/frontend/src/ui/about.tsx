import type { JSX } from "preact";
import { Dialog } from "./dialog";
import type { Playground } from "./playground";

interface AboutProps {
  readonly playground: Playground;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onKeys: () => void;
}

export function About({ playground, open, onClose, onKeys }: AboutProps): JSX.Element {
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
      <h3>Under the hood</h3>
      <EngineReport playground={playground} />
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onKeys}>
          Keys
        </button>
        <button type="button" class="button primary" autofocus onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function EngineReport({ playground }: { playground: Playground }): JSX.Element {
  const state = playground.models.state.value;
  if (state.kind === "starting") return <p class="muted">The model is being prepared.</p>;
  if (state.kind === "missing") return <p class="muted">No model is loaded. {state.reason}</p>;
  const { bundle, backend } = state.analyst;
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
