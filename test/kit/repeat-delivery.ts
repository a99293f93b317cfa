/** Sends a delivery again unchanged, as a hub does after a lost answer. */
export function repeatDelivery(delivery: {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}): Promise<Response> {
  const { method, url, headers, body } = delivery;
  return fetch(url, { method, headers, body: new Uint8Array(body ?? []) });
}
