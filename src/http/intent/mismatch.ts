import { timingSafeEqual } from 'node:crypto';
import { matchesTopic, type HubQuery } from '../../protocol/hub-query.js';
import type { GrantRecord } from '../../subscription/record/record.js';
import { REASON } from '../answer-reasons.js';

const MAX_CHALLENGE_BYTES = 4096;

/**
 * Matches a challenge that is safe to echo: no character has a meaning to a browser (PROTOCOL V8).
 *
 * Quirk(thylacine): sends a base64 challenge. We allow `+`, `/` and `=`.
 */
const SAFE_CHALLENGE = /^[!#-%(-;=?-[\]-_a-~]+$/;

/** Maximum length of a quoted parameter in a message, in characters. */
const MAX_QUOTED_LENGTH = 200;

/** Why a verification is not confirmed. */
export interface Mismatch {
  readonly status: 400 | 404;
  /** The reason in the answer. */
  readonly reason: string;
  /** The reason in the log and in `lastError`: the value received and the value expected. */
  readonly problem: string;
}

const mismatch = (status: 400 | 404, reason: string, problem = reason): Mismatch => ({ status, reason, problem });

const WRONG_TOKEN = mismatch(404, REASON.wrongVerifyToken, 'hub.verify_token is not the token of the request');

/** The mismatch in topic or challenge of a verification; undefined without one. */
export function findMismatch(
  grant: GrantRecord,
  { topic, challenge }: HubQuery,
  rawQuery: string,
): Mismatch | undefined {
  if (topic === undefined || topic === '') return mismatch(400, REASON.missingTopic);
  if (challenge === undefined || challenge === '') return mismatch(400, REASON.missingChallenge);
  if (Buffer.byteLength(challenge) > MAX_CHALLENGE_BYTES) return mismatch(400, REASON.longChallenge);
  if (!SAFE_CHALLENGE.test(challenge)) {
    return mismatch(400, REASON.unsafeChallenge, 'hub.challenge has unsafe characters');
  }
  return matchesTopic(grant.topic, topic, rawQuery)
    ? undefined
    : mismatch(404, REASON.wrongTopic, `hub.topic is ${quoted(topic)}; it must be ${quoted(grant.topic)}`);
}

/**
 * The mismatch of an unsolicited verification.
 *
 * Quirk(go-websub): verifies an unsubscription with `hub.mode=subscribe`. We answer 404 and say so in `lastError`.
 */
export function unsolicitedMismatch({ pending }: GrantRecord, mode: 'subscribe' | 'unsubscribe'): Mismatch {
  const isOtherMode = pending !== undefined && pending.mode !== mode;
  const problem = isOtherMode ? `hub.mode is ${mode}; it must be ${pending.mode}` : undefined;
  return mismatch(404, REASON.unsolicited[mode], problem);
}

/**
 * The mismatch in the token of a verification; undefined without one.
 *
 * Quirk(PubSubHubbub 0.3): several hubs do not send `hub.verify_token` back. We accept a missing token, but not a wrong
 * one (PROTOCOL S4).
 */
export function tokenMismatch({ verifyToken }: GrantRecord, query: HubQuery): Mismatch | undefined {
  return isTokenOf(verifyToken, query.verifyToken) ? undefined : WRONG_TOKEN;
}

/** A parameter of a hub, quoted and cut for a message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED_LENGTH ? `${text.slice(0, MAX_QUOTED_LENGTH)}…` : text);
}

function isTokenOf(expected: string | undefined, received: string | undefined): boolean {
  if (expected === undefined || received === undefined) return true;
  const [a, b] = [Buffer.from(expected), Buffer.from(received)];
  return a.length === b.length && timingSafeEqual(a, b);
}
