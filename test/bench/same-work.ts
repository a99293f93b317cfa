import type { Answers } from './scenario.js';

/** The answers of the floor, and of every server that states no others. */
export const FLOOR_ANSWERS: Answers = { genuine: 202, forged: 403, unknownPath: 404 };

/** The response to a delivery. */
interface Answer {
  readonly status: number;
  /** Names and values, without the date. */
  readonly headers: string;
  readonly body: string;
}

/** A server whose work is checked. */
export interface CheckedServer {
  readonly callback: string;
  readonly answers: Answers;
  /** Number of genuine deliveries handled so far. */
  readonly accepted: () => Promise<number>;
}

/**
 * Checks that a server does the work under comparison. It accepts signed deliveries and handles them. It rejects
 * unsigned and forged ones without handling them. It serves one path only.
 *
 * @returns the response to a signed delivery, which must be the same for all servers
 */
export async function checkWork(
  { callback, answers, accepted }: CheckedServer,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Promise<string> {
  const forgedHeaders = { ...headers, 'x-hub-signature': `sha256=${'0'.repeat(64)}` };
  const changedBody = Buffer.concat([body, Buffer.from(' ')]);
  const acceptedBefore = await accepted();
  const answer = await post(callback, headers, body);
  expectStatus('A signed delivery', answer, answers.genuine);
  expectStatus('A delivery with a wrong signature', await post(callback, forgedHeaders, body), answers.forged);
  expectStatus('A delivery that was changed', await post(callback, headers, changedBody), answers.forged);
  const handled = (await accepted()) - acceptedBefore;
  if (handled !== 1) throw new Error(`Of a signed delivery and two forged ones ${handled} were handled instead of 1`);
  if (answers.unknownPath !== undefined) {
    expectStatus('A delivery on an unknown path', await post(`${callback}x`, headers, body), answers.unknownPath);
  }
  return `${answer.status}\n${answer.headers}\n${answer.body}`;
}

async function post(url: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body), redirect: 'manual' });
  const fields = [...response.headers].filter(([name]) => name !== 'date').map(([name, value]) => `${name}: ${value}`);
  return { status: response.status, headers: fields.sort().join('\n'), body: await response.text() };
}

function expectStatus(what: string, { status }: Answer, expected: number): void {
  if (status !== expected) throw new Error(`${what} was answered ${status} instead of ${expected}: nothing to compare`);
}
