import { expect, test } from "vitest";
import { answerRange, readRange } from "./range";

test.each([
  ["bytes=0-", { first: 0, last: 9 }],
  ["bytes=2-4", { first: 2, last: 4 }],
  ["bytes=2-99", { first: 2, last: 9 }],
  ["bytes=-3", { first: 7, last: 9 }],
  ["bytes=-99", { first: 0, last: 9 }],
  ["bytes=10-", null],
  ["bytes=-0", null],
  ["bytes=4-2", "whole"],
  ["bytes=0-1,4-5", "whole"],
  ["bytes=-", "whole"],
  ["lines=1-2", "whole"],
  [`bytes=${"9".repeat(400)}-`, "whole"],
] as const)("%s of ten bytes", (header, range) => {
  expect(readRange(header, 10)).toEqual(range);
});

const whole = () =>
  new Response("0123456789", { headers: { "Content-Type": "audio/mpeg", "Content-Length": "10" } });

test("a part is answered as by a server", async () => {
  const part = await answerRange(whole(), "bytes=2-4");
  expect(part.status).toBe(206);
  expect(await part.text()).toBe("234");
  expect(Object.fromEntries(part.headers)).toMatchObject({
    "content-type": "audio/mpeg",
    "content-length": "3",
    "content-range": "bytes 2-4/10",
  });
});

test("all of it is, too", async () => {
  for (const header of [null, "bytes=4-2"]) {
    const answer = await answerRange(whole(), header);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe("0123456789");
  }
});

test("what is not there is not answered with something else", async () => {
  const refusal = await answerRange(whole(), "bytes=10-");
  expect(refusal.status).toBe(416);
  expect(refusal.headers.get("Content-Range")).toBe("bytes */10");
});
