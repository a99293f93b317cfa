/** A feed has at most so many entries (PROTOCOL D12). */
export const MAX_ENTRIES = 50_000;

/** A feed has at most so many elements; in JSON, values (PROTOCOL D12). Each is several objects at the end. */
export const MAX_ELEMENTS = 500_000;

/** A text taken from a document, short enough for an error message. */
export function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Refuses a feed with more entries than are read. */
export function checkEntryCount(count: number): void {
  if (count > MAX_ENTRIES) throw new RangeError(`The feed has more than ${MAX_ENTRIES} entries`);
}
