import { describe, expect, it } from "vitest";
import { ResourceScope } from "./scope";

describe("ResourceScope", () => {
  it("frees everything once, the newest first", () => {
    const freed: string[] = [];
    const scope = new ResourceScope();
    scope.own({ dispose: () => freed.push("first") });
    scope.defer(() => freed.push("second"));
    scope.dispose();
    scope.dispose();
    expect(freed).toEqual(["second", "first"]);
  });

  it("hands back what it owns", () => {
    const resource = { dispose: () => undefined };
    expect(new ResourceScope().own(resource)).toBe(resource);
  });

  it("frees the rest when freeing one thing fails, and says so", () => {
    const freed: string[] = [];
    const scope = new ResourceScope();
    scope.defer(() => freed.push("first"));
    scope.defer(() => {
      throw new Error("stuck");
    });
    expect(() => scope.dispose()).toThrow(AggregateError);
    expect(freed).toEqual(["first"]);
  });

  it("takes nothing after its end", () => {
    const scope = new ResourceScope();
    scope.dispose();
    expect(() => scope.defer(() => undefined)).toThrow("has ended");
  });

  it("listens until its end", () => {
    const target = new EventTarget();
    const scope = new ResourceScope();
    let heard = 0;
    scope.listen(target, "ping", () => heard++);
    target.dispatchEvent(new Event("ping"));
    scope.dispose();
    target.dispatchEvent(new Event("ping"));
    expect(heard).toBe(1);
  });
});
