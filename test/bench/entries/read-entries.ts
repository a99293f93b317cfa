type ReadEntries = (text: string, baseUrl: string) => readonly unknown[];

/** The entry reader of events. The package does not export it, so the benchmark builds it. */
export const readEntries = await load();

async function load(): Promise<ReadEntries> {
  const module: unknown = await import(new URL('../read-feed.js', import.meta.url).href);
  if (typeof module === 'object' && module !== null && 'readEntries' in module && isReader(module.readEntries)) {
    return module.readEntries;
  }
  throw new Error('The package reads no entries');
}

function isReader(value: unknown): value is ReadEntries {
  return typeof value === 'function';
}
