import { expect, test } from "vitest";
import { listsOf, placeOf, withoutQuery } from "./places";

const SITE = "https://example.org/some/where/";
const DIGEST = "0123456789abcdef".repeat(4);

test.each([
  ["", "page"],
  ["?visual=real#x", "page"],
  ["index.html", "page"],
  ["assets/index-1a2b.js", "asset"],
  ["favicon.svg", "asset"],
  ["registry/index.json", "list"],
  ["tracks/index.json", "list"],
  ["registry/ae/12/manifest.json", "manifest"],
  ["registry/ae/12/encoders/ae/model.json", "model"],
  [`registry/frontends/${DIGEST}/model.json`, "model"],
  ["registry/frontends/abc/model.json", "elsewhere"],
  ["tracks/rock.mp3", "track"],
  ["fma/2.mp3", "elsewhere"],
  ["fma/index.json", "elsewhere"],
  ["check/", "elsewhere"],
  ["check/assets/main-1a2b.js", "elsewhere"],
  ["service-worker.js", "elsewhere"],
] as const)("%s is a place of its own", (path, place) => {
  expect(placeOf(SITE + path, SITE, ["favicon.svg"])).toBe(place);
});

test("nothing of another site is ours", () => {
  for (const address of [
    "https://example.org/",
    "https://example.org/assets/index-1a2b.js",
    "https://example.com/some/where/tracks/rock.mp3",
    "https://example.org/some/where/../tracks/rock.mp3",
  ]) {
    expect(placeOf(address, SITE, [])).toBe("elsewhere");
  }
});

test("addresses are kept without what follows the path", () => {
  expect(withoutQuery(`${SITE}?seed=3#a`)).toBe(SITE);
  expect(listsOf(SITE)).toContain(`${SITE}registry/index.json`);
});
