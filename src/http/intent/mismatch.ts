import { timingSafeEqual } from 'node:crypto';
import { isTopic, type HubQuery } from '../../protocol/hub-query.js';
import type { GrantRecord } from '../../subscription/record/record.js';

const LONGEST_CHALLENGE = 4096;

/**
 * A challenge that is safe to echo: no character has a meaning to a browser (PROTOCOL V8).
 *
 * Quirk(thylacine): sends a base64 challenge. We allow `+`, `/` and `=`.
 */
const ECHOED = /^[!#-%(-;=?-[\]-_a-~]+$/;

/** Characters of a hub's parameter that a message quotes. */
const MOST_QUOTED = 200;

/** Why a verification is not confirmed. */
export interface Misfit {
  readonly status: 400 | 404;
  /** The reason in the answer. */
  readonly said: string;
  /** The reason in the log and in `lastError`: the value received and the value expected. */
  readonly problem: string;
}

const misfit = (status: 400 | 404, said: string, problem = said): Misfit => ({ status, said, problem });

const OTHER_TOKEN = misfit(404, 'hub.verify_token is another one', 'its hub.verify_token is not the one it was given');

/** The fault of a verification of either mode; undefined without one. */
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

/**
 * The fault of a verification that answers no request of ours.
 *
 * Quirk(go-websub): verifies an unsubscription with `hub.mode=subscribe`. We answer 404 and say so in `lastError`.
 */
export function unaskedFor({ pending }: GrantRecord, mode: 'subscribe' | 'unsubscribe'): Misfit {
  const isOther = pending !== undefined && pending.mode !== mode;
  const problem = isOther ? `its hub.mode is ${mode}, not ${pending.mode}` : undefined;
  return misfit(404, `this ${mode} was not asked for`, problem);
}

/**
 * The fault of a verification's token.
 *
 * Quirk(PubSubHubbub 0.3): several hubs do not send `hub.verify_token` back. We accept a missing token, but no wrong one
 * (PROTOCOL S4).
 */
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
