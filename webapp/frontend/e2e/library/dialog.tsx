/** The dialog by itself, with a playlist and the index that the test answers with. */
import { signal } from "@preact/signals";
import { render } from "preact";
import { fetchFmaIndex } from "../../src/library/fma";
import { Library } from "../../src/library/library";
import { Scope } from "../../src/player/scope";
import { LibraryDialog } from "../../src/ui/library";
import { Playlist } from "../../src/ui/playlist";
import type { TrackSource } from "../../src/ui/sources";
import "../../src/ui/styles/index.css";

const fmaUrl = new URL("fma/index.json", document.baseURI).href;
const open = signal(false);
const playlist = new Playlist();
const library = new Library(new Scope(), (signal) => fetchFmaIndex(fmaUrl, signal));

const song = (title: string): TrackSource => ({
  title,
  artist: "Us",
  read: () => Promise.resolve(new ArrayBuffer(0)),
});

function Page() {
  return (
    <>
      <button type="button" onClick={() => (open.value = true)}>
        Open
      </button>
      <LibraryDialog
        open={open.value}
        onClose={() => (open.value = false)}
        library={library}
        fmaUrl={fmaUrl}
        playlist={playlist}
        onPlay={({ id }) => playlist.select(id)}
        demos={[song("Demo one"), song("Demo two")]}
        live={<p>Microphone here</p>}
      />
    </>
  );
}
render(<Page />, document.querySelector("#app") ?? document.body);

const music = {
  titles: () => playlist.entries.value.map(({ source }) => source.title),
  current: () => playlist.current.value?.source.title ?? null,
  add: (titles: readonly string[]) => playlist.add(titles.map(song)),
};

declare global {
  interface Window {
    music: typeof music;
  }
}
window.music = music;
