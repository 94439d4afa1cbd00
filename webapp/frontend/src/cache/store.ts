/** Where a cache keeps its entries: IndexedDB in browsers. What comes out may be anything: others can write there, too. */

/** What is known of an entry without reading it. */
export interface Use {
  readonly key: string;
  readonly bytes: number;
  /** When it was last read or written, in milliseconds since 1970. */
  readonly usedMs: number;
}

/** Every call may fail: storage can be full, forbidden or taken away. */
export interface CacheStore {
  uses(): Promise<readonly unknown[]>;
  /** Undefined when there is none. */
  read(key: string): Promise<unknown>;
  write(use: Use, value: unknown): Promise<unknown>;
  /** The entry was used again. */
  touch(use: Use): Promise<unknown>;
  remove(key: string): Promise<void>;
  clear(): Promise<void>;
}

const NAME = "tfdeepviz-encodings";
/** Of the layout: another one begins anew. */
const VERSION = 1;
const USES = "uses";
const VALUES = "values";

/** Opened when it is needed first. Browsers without storage (some private windows) fail every call. */
export class IndexedDbStore implements CacheStore {
  #database: Promise<IDBDatabase> | null = null;

  uses(): Promise<readonly unknown[]> {
    return this.#do("readonly", (uses) => uses.getAll());
  }

  read(key: string): Promise<unknown> {
    return this.#do("readonly", (_, values) => values.get(key));
  }

  write(use: Use, value: unknown): Promise<unknown> {
    return this.#do("readwrite", (uses, values) => {
      uses.put(use);
      return values.put(value, use.key);
    });
  }

  touch(use: Use): Promise<unknown> {
    return this.#do("readwrite", (uses) => uses.put(use));
  }

  remove(key: string): Promise<void> {
    return this.#do("readwrite", (uses, values) => {
      uses.delete(key);
      return values.delete(key);
    });
  }

  clear(): Promise<void> {
    return this.#do("readwrite", (uses, values) => {
      uses.clear();
      return values.clear();
    });
  }

  /** Once for all calls, until it is lost or cannot be had: then the next call tries again. */
  #open(): Promise<IDBDatabase> {
    if (this.#database) return this.#database;
    const database = open(() => {
      if (this.#database === database) this.#database = null;
    });
    database.catch(() => {
      if (this.#database === database) this.#database = null;
    });
    this.#database = database;
    return database;
  }

  /** One transaction over both stores. @returns what was asked for, once all of it is kept */
  async #do<Result>(
    mode: IDBTransactionMode,
    ask: (uses: IDBObjectStore, values: IDBObjectStore) => IDBRequest<Result>,
  ): Promise<Result> {
    const database = await this.#open();
    const transaction = database.transaction([USES, VALUES], mode);
    const request = ask(transaction.objectStore(USES), transaction.objectStore(VALUES));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? new Error("The transaction was aborted."));
    });
  }
}

/** @param onLost it cannot be used any longer: another page deletes it, or the browser has closed it */
function open(onLost: () => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const { result: database } = request;
      for (const name of database.objectStoreNames) database.deleteObjectStore(name);
      database.createObjectStore(USES, { keyPath: "key" });
      database.createObjectStore(VALUES);
    };
    request.onerror = () => reject(request.error ?? new Error("The database cannot be opened."));
    request.onsuccess = () => {
      const { result: database } = request;
      database.onclose = onLost;
      database.onversionchange = () => {
        database.close();
        onLost();
      };
      resolve(database);
    };
  });
}
