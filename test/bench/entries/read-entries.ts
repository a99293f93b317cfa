type ReadEntries = (text: string, baseUrl: string) => readonly unknown[];

/** What an event's entries are read with, from the built package, which does not export it. */
export const readEntries = await load();

async function load(): Promise<ReadEntries> {
  const module: unknown = await import(new URL('feed/read-feed.js', import.meta.resolve('websub-subscriber')).href);
  if (typeof module === 'object' && module !== null && 'readEntries' in module && isReader(module.readEntries)) {
    return module.readEntries;
  }
  throw new Error('The package reads no entries');
}

function isReader(value: unknown): value is ReadEntries {
  return typeof value === 'function';
}
