import { timingSafeEqual } from 'node:crypto';
import { isTopic, type HubQuery } from '../protocol/hub-query.js';
import type { GrantRecord } from '../subscription/record.js';

const LONGEST_CHALLENGE = 4096;

/** What may be sent back as it came: no character of it means anything to a browser (PROTOCOL V8). */
const ECHOED = /^[!#-%(-;=?-[\]-_a-~]+$/;

/** Characters of a hub's parameter that a message quotes. */
const MOST_QUOTED = 200;

/** Why a verification is not confirmed. */
export interface Misfit {
  readonly status: 400 | 404;
  /** What whoever asks is told. */
  readonly said: string;
  /** What the log and `lastError` say: what came, and what was expected. */
  readonly problem: string;
}

const misfit = (status: 400 | 404, said: string, problem = said): Misfit => ({ status, said, problem });

const OTHER_TOKEN = misfit(404, 'hub.verify_token is another one', 'its hub.verify_token is not the one it was given');

/** What is wrong with a verification, whatever it verifies. */
export function misfitOf(grant: GrantRecord, { topic, challenge }: HubQuery, rawQuery: string): Misfit | undefined {
  if (topic === undefined || topic === '') return misfit(400, 'hub.topic is missing');
  if (challenge === undefined || challenge === '') return misfit(400, 'hub.challenge is missing');
  if (Buffer.byteLength(challenge) > LONGEST_CHALLENGE) return misfit(400, 'hub.challenge is too long');
  if (!ECHOED.test(challenge)) {
    return misfit(
      400,
      'hub.challenge has characters that are not sent back',
      'its hub.challenge has unsafe characters',
    );
  }
  return isTopic(grant.topic, topic, rawQuery)
    ? undefined
    : misfit(404, 'this topic was not asked for', `its hub.topic is ${quoted(topic)}, not ${quoted(grant.topic)}`);
}

/** What is wrong with a verification that nobody asked for. */
export function unaskedFor({ pending }: GrantRecord, mode: 'subscribe' | 'unsubscribe'): Misfit {
  const isOther = pending !== undefined && pending.mode !== mode;
  const problem = isOther ? `its hub.mode is ${mode}, not ${pending.mode}` : undefined;
  return misfit(404, `this ${mode} was not asked for`, problem);
}

/** What is wrong with the token of a verification; one that does not come back is not held against the hub (PROTOCOL S4). */
export function tokenMisfit({ verifyToken }: GrantRecord, query: HubQuery): Misfit | undefined {
  return isTokenOf(verifyToken, query.verifyToken) ? undefined : OTHER_TOKEN;
}

/** A parameter as a message shows it. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED)}…` : text);
}

function isTokenOf(ours: string | undefined, given: string | undefined): boolean {
  if (ours === undefined || given === undefined) return true;
  const [a, b] = [Buffer.from(ours), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
