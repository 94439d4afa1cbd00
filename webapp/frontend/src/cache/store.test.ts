import { afterEach, expect, it, vi } from "vitest";
import { IndexedDbStore } from "./store";

afterEach(() => void vi.unstubAllGlobals());

/** Stands in for `indexedDB`: what opening comes to is said by hand. */
function stubIndexedDb() {
  const requests: Partial<IDBOpenDBRequest>[] = [];
  const open = vi.fn(() => {
    const request: Partial<IDBOpenDBRequest> = {};
    requests.push(request);
    return request;
  });
  vi.stubGlobal("indexedDB", { open });
  const event = new Event("x") as never;
  return {
    open,
    refuse: () => {
      const request = requests.at(-1)!;
      Object.assign(request, { error: new DOMException("locked", "UnknownError") });
      request.onerror?.call(request as IDBOpenDBRequest, event);
    },
    allow: () => {
      const request = requests.at(-1)!;
      const database = {
        transaction: () => {
          const transaction = {
            objectStore: () => ({ getAll: () => ({ result: [] }) }),
            oncomplete: () => undefined,
          };
          queueMicrotask(() => transaction.oncomplete());
          return transaction;
        },
        onclose: () => undefined,
      };
      Object.assign(request, { result: database });
      request.onsuccess?.call(request as IDBOpenDBRequest, event);
      return database;
    },
  };
}

it("opens the database again after it could not be opened, and after it was lost", async () => {
  const { open, refuse, allow } = stubIndexedDb();
  const store = new IndexedDbStore();
  const [first, second] = [store.uses(), store.uses()];
  refuse();
  await expect(first).rejects.toThrow("locked");
  await expect(second).rejects.toThrow("locked");
  expect(open).toHaveBeenCalledTimes(1);

  const third = store.uses();
  const database = allow();
  expect(await third).toEqual([]);
  expect(await store.uses()).toEqual([]);
  expect(open).toHaveBeenCalledTimes(2);

  database.onclose();
  const fourth = store.uses();
  allow();
  expect(await fourth).toEqual([]);
  expect(open).toHaveBeenCalledTimes(3);
});
