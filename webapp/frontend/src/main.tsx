import { render } from "preact";
import { AnalysisClient } from "./analysis/client";
import { decodeTrack } from "./analysis/decode";
import { loadRegistry } from "./bundle";
import { cachedAnalyst } from "./cache/cached-analyst";
import { EncodingCache } from "./cache/encoding-cache";
import { fetchFmaIndex } from "./library/fma";
import { Library } from "./library/library";
import { LiveSession } from "./live/live-session";
import { isolate } from "./isolation";
import { addressesOf, keepOffline } from "./offline/offline";
import { AudioPlayer } from "./player/audio-player";
import { readAddress, writeAddress } from "./ui/address";
import { App } from "./ui/app";
import { createPageState } from "./ui/page-state";
import { Playground } from "./ui/playground";
import { Presets } from "./ui/presets";
import { Settings, openStore } from "./ui/settings";
import { STORAGE_FULL } from "./ui/words";
import { fetchDemoTracks } from "./ui/sources";
import "./ui/styles/index.css";
import { VISUALS } from "./visuals";
import { Scope } from "./player/scope";

// Relative to the page, which may be served under any path.
const registryUrl = new URL("registry/", document.baseURI).href;
const tracksUrl = new URL("tracks/index.json", document.baseURI).href;
const fmaUrl = new URL("fma/index.json", document.baseURI).href;

// Before anything that a reload would cut off.
await isolate();

const scope = new Scope();
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const cache = new EncodingCache(undefined, {
  onFull: () => playground.notices.show("info", STORAGE_FULL, null, true),
});
const store = openStore();
const visuals = VISUALS.map(({ id }) => id);
const settings = new Settings(scope, store, calm, visuals);
const player = new AudioPlayer(scope, {
  onEnded: () => playground.ended(),
  onInterrupted: () => playground.interrupted(),
  onRestored: () => playground.restored(),
});
const playground = new Playground({
  settings,
  visuals: VISUALS,
  services: {
    player,
    loadRegistry: () => loadRegistry(registryUrl),
    startAnalyst: async (bundleUrl, onProgress, signal) => {
      const analyst = await AnalysisClient.start(bundleUrl, onProgress, { signal });
      void keepOffline(addressesOf(analyst.bundle));
      return cachedAnalyst(analyst, cache);
    },
    decode: decodeTrack,
    fetchDemoTracks: () => fetchDemoTracks(tracksUrl),
    startLive: (kind, options, signal) => LiveSession.start(kind, options, signal),
  },
});
const { look, track } = readAddress(playground, location.search);
void playground.start(look.model);
writeAddress(scope, playground);

const root = document.getElementById("app");
if (!root) throw new Error("The page has no #app.");
render(
  <App
    playground={playground}
    presets={new Presets(store, { visuals })}
    library={new Library(scope, (signal) => fetchFmaIndex(fmaUrl, signal))}
    cache={cache}
    state={createPageState()}
    fmaUrl={fmaUrl}
    tracksUrl={tracksUrl}
    wantedTrack={track}
  />,
  root,
);
