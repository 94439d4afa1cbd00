import { expect, it } from "vitest";
import { parseRequest } from "./request";

const PAGE = "http://play.test/check/index.html";

it("reads addresses relative to the page", () => {
  const request = parseRequest(
    `${PAGE}?bundle=../registry/toy/1/&backends=webgl,wasm,webgl&timed=wasm&audio=/a.mp3&report=/report&hops=0.1,0.96`,
  );
  expect(request).toEqual({
    bundleUrl: "http://play.test/registry/toy/1/",
    backends: ["webgl", "wasm"],
    timed: ["wasm"],
    audioUrl: "http://play.test/a.mp3",
    reportUrl: "http://play.test/report",
    hops: [0.1, 0.96],
  });
});

it("runs every backend unless told", () => {
  expect(parseRequest(PAGE)).toEqual({
    bundleUrl: null,
    backends: ["wasm", "webgl", "webgpu"],
    timed: ["wasm", "webgl", "webgpu"],
    audioUrl: null,
    reportUrl: null,
    hops: [],
  });
});

it.each([
  ["backends=wasm,cuda", /^backends: "cuda" is none of wasm, webgl, webgpu\.$/],
  ["timed=cuda", /^timed: "cuda" is none of/],
  ["bundle=http://[", /^bundle: "http:\/\/\[" is no address\.$/],
  ["hops=0", /^hops: "0" must be seconds above 0\.$/],
  ["hops=1e999", /^hops: "1e999"/],
  [`hops=${"1,".repeat(9)}`, /^hops: there are 9/],
])("refuses %s", (query, message) => {
  expect(() => parseRequest(`${PAGE}?${query}`)).toThrow(message);
});
