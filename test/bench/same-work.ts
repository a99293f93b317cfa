/** A delivery that was answered. */
interface Answer {
  readonly status: number;
  /** Names and values, the date apart. */
  readonly headers: string;
  readonly body: string;
}

/**
 * Sees that a server does the work that is compared: it accepts what is signed, refuses what is not, and knows one path.
 *
 * @returns the answer to what is signed, which has to be the same for all servers
 */
export async function checkWork(
  callback: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Promise<string> {
  const forged = { ...headers, 'x-hub-signature': `sha256=${'0'.repeat(64)}` };
  const accepted = await post(callback, headers, body);
  expectStatus('A signed delivery', accepted, 202);
  expectStatus('A delivery with a wrong signature', await post(callback, forged, body), 403);
  expectStatus(
    'A delivery that was changed',
    await post(callback, headers, Buffer.concat([body, Buffer.from(' ')])),
    403,
  );
  expectStatus('A delivery on an unknown path', await post(`${callback}x`, headers, body), 404);
  return `${accepted.status}\n${accepted.headers}\n${accepted.body}`;
}

async function post(url: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body), redirect: 'manual' });
  const fields = [...response.headers].filter(([name]) => name !== 'date').map(([name, value]) => `${name}: ${value}`);
  return { status: response.status, headers: fields.sort().join('\n'), body: await response.text() };
}

function expectStatus(what: string, { status }: Answer, expected: number): void {
  if (status !== expected) throw new Error(`${what} was answered ${status} instead of ${expected}: nothing to compare`);
}
