import { expect, test } from "vitest";
import { readKeepRequest } from "./keep-request";

test("only what is understood is taken", () => {
  const good = "https://example.org/tracks/rock.mp3";
  expect(readKeepRequest({ kind: "keep", addresses: [good, 3, "rock.mp3", null] })).toEqual({
    kind: "keep",
    addresses: [good],
  });
  for (const message of [
    null,
    "keep",
    {},
    { kind: "keep" },
    { kind: "keep", addresses: "a" },
    { kind: "drop", addresses: [good] },
  ]) {
    expect(readKeepRequest(message)).toBeNull();
  }
});
