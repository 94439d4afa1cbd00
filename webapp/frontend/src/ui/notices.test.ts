import { expect, it } from "vitest";
import { Notices } from "./notices";

it("keeps what lasts when the rest is cleared, and longest where there is too much to say", () => {
  const notices = new Notices();
  const texts = () => notices.list.value.map(({ text }) => text).join("");
  notices.show("error", "L", null, true);
  for (const text of "abc") notices.show("info", text);
  expect(texts()).toBe("Lbc");
  notices.show("info", "b");
  expect(texts()).toBe("Lcb");
  notices.clear();
  expect(texts()).toBe("L");
  for (const text of "MNO") notices.show("error", text, null, true);
  expect(texts()).toBe("MNO");
  const id = notices.show("info", "d");
  expect(texts()).toBe("NOd");
  notices.dismiss(id);
  expect(texts()).toBe("NO");
});
