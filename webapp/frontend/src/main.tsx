import { render } from "preact";
import { AnalysisClient } from "./analysis/client";
import { decodeTrack } from "./analysis/decode";
import { loadRegistry } from "./bundle";
import { isolate } from "./isolation";
import { AudioPlayer } from "./player/audio-player";
import { App } from "./ui/app";
import { Playground } from "./ui/playground";
import { Settings, openStore } from "./ui/settings";
import { fetchDemoTracks } from "./ui/sources";
import { seedFrom } from "./ui/state";
import "./ui/styles/index.css";
import { VISUALS } from "./visuals";
import { Scope } from "./player/scope";

// Relative to the page, which may be served under any path.
const registryUrl = new URL("registry/", document.baseURI).href;
const tracksUrl = new URL("tracks/index.json", document.baseURI).href;

// Before anything that a reload would cut off.
await isolate();

const scope = new Scope();
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const settings = new Settings(
  scope,
  openStore(),
  calm,
  VISUALS.map(({ id }) => id),
);
const player = new AudioPlayer(scope, { onEnded: () => playground.ended() });
const playground = new Playground({
  settings,
  visuals: VISUALS,
  services: {
    player,
    loadRegistry: () => loadRegistry(registryUrl),
    startAnalyst: (bundleUrl, onProgress) => AnalysisClient.start(bundleUrl, onProgress),
    decode: decodeTrack,
    fetchDemoTracks: () => fetchDemoTracks(tracksUrl),
  },
});

const root = document.getElementById("app");
if (!root) throw new Error("The page has no #app.");
render(<App playground={playground} seed={seedFrom(location.search)} tracksUrl={tracksUrl} />, root);
void playground.start();
