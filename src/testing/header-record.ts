/** Builds `Headers` from a node:http or undici record. A name can have one value, several, or none. */
export function headersFrom(record: Readonly<Record<string, string | readonly string[] | undefined>>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(record)) {
    for (const item of [value ?? []].flat()) headers.append(name, item);
  }
  return headers;
}
