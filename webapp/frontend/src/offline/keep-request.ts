/** What a page asks the service worker to keep. The answer is null, or why it could not be kept. */
export interface KeepRequest {
  readonly kind: "keep";
  readonly addresses: readonly string[];
}

/** A message from a page, which may be of another version; null when it is none that is understood. */
export function readKeepRequest(message: unknown): KeepRequest | null {
  if (typeof message !== "object" || message === null) return null;
  const { kind, addresses } = message as Readonly<Record<string, unknown>>;
  if (kind !== "keep" || !Array.isArray(addresses)) return null;
  const valid = addresses.filter((address) => typeof address === "string" && URL.canParse(address));
  return { kind, addresses: valid as readonly string[] };
}
