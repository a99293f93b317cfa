import { timingSafeEqual } from 'node:crypto';
import { acknowledgementOf } from '../delivery/acknowledgement.js';
import type { Acknowledgement } from '../delivery/event-handler.js';
import { WebSubError } from '../errors.js';
import { isTopic, readHubQuery, type HubQuery } from '../protocol/hub-query.js';
import { failureOf } from '../subscription/failure.js';
import type { GrantRecord } from '../subscription/record.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/snapshot-of.js';
import { acknowledgement, confirmation, refusal, type CallbackAnswer } from './answer.js';
import type { CallbackRequest } from './callback-request.js';
import type { CallbackOptions, ServedMatch } from './callback.js';
import { deny, hubError } from './hub-notice.js';

const LONGEST_CHALLENGE = 4096;

/** Answers a GET: verification of intent, denial, hub error (WebSub sections 5.2 and 5.3). A HEAD changes nothing. */
export async function answerIntent(
  options: CallbackOptions,
  match: ServedMatch,
  request: CallbackRequest,
): Promise<CallbackAnswer> {
  const start = request.target.indexOf('?');
  const rawQuery = start === -1 ? '' : request.target.slice(start + 1);
  const query = readHubQuery(rawQuery);
  if (query === undefined) return refusal(400, 'hub.challenge is not UTF-8');
  const isProbe = request.method === 'HEAD';
  switch (query.mode) {
    case 'subscribe':
    case 'unsubscribe':
      return verify(options, match, { query, rawQuery, isProbe, mode: query.mode });
    case 'denied':
      if (isForeign(match, query, rawQuery)) return refusal(404, 'this topic was not asked for');
      return isProbe ? acknowledgement(200, undefined) : deny(options, match, query);
    case 'hub-error':
      if (isForeign(match, query, rawQuery)) return refusal(404, 'this topic was not asked for');
      return isProbe ? acknowledgement(200, undefined) : hubError(options, match, query);
    case undefined:
      return refusal(400, 'hub.mode is missing');
    default:
      return refusal(400, 'hub.mode is unknown');
  }
}

interface VerificationRequest {
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly query: HubQuery;
  readonly rawQuery: string;
  readonly isProbe: boolean;
}

async function verify(
  options: CallbackOptions,
  match: ServedMatch,
  { mode, query, rawQuery, isProbe }: VerificationRequest,
): Promise<CallbackAnswer> {
  const { entry, grant } = match;
  const { challenge = '' } = query;
  const misfit = misfitOf(grant, query, rawQuery);
  if (misfit !== undefined) return isProbe ? refusal(...misfit) : wrong(options, match, mode, misfit);
  if (!options.registry.mayConfirm(match, mode)) return refusal(404, `this ${mode} was not asked for`);
  if (!isTokenOf(grant.verifyToken, query.verifyToken)) {
    return isProbe ? refusal(...OTHER_TOKEN) : wrong(options, match, mode, OTHER_TOKEN);
  }
  if (isProbe) return confirmation('');

  let headers;
  try {
    headers = acknowledgementOf(await ask(match, mode, challenge, query.leaseSeconds))?.headers;
  } catch (error) {
    return refusedByHandler(options, match, mode, error);
  }
  const { id } = entry.record;
  const after = await options.registry.apply(id, {
    type: 'verified',
    grantId: grant.id,
    mode,
    leaseSeconds: query.leaseSeconds,
  });
  const reached = mode === 'subscribe' ? 'active' : 'unsubscribed';
  const isReached = after.grants.some((each) => each.id === grant.id && each.state === reached);
  if (!isReached) return refusal(404, `this ${mode} is not wanted any more`);
  return { ...confirmation(challenge, headers), onSent: () => void answered(options, match) };
}

/** The hub knows. Should that not be noted, it is asked once more. */
async function answered({ registry, logger }: CallbackOptions, { entry, grant }: ServedMatch): Promise<void> {
  const { id } = entry.record;
  try {
    await registry.apply(id, { type: 'answered', grantId: grant.id });
  } catch (error) {
    logger.warn({ subscription: id, err: error }, 'that a hub was answered could not be noted: it is asked once more');
  }
}

type Misfit = readonly [status: 400 | 404, problem: string];

const OTHER_TOKEN: Misfit = [404, 'hub.verify_token is another one'];

/** What is wrong with a verification, whatever it verifies. */
function misfitOf(grant: GrantRecord, { topic, challenge }: HubQuery, rawQuery: string): Misfit | undefined {
  if (topic === undefined || topic === '') return [400, 'hub.topic is missing'];
  if (challenge === undefined || challenge === '') return [400, 'hub.challenge is missing'];
  if (Buffer.byteLength(challenge) > LONGEST_CHALLENGE) return [400, 'hub.challenge is too long'];
  return isTopic(grant.topic, topic, rawQuery) ? undefined : [404, 'this topic was not asked for'];
}

/** A verification that cannot be confirmed: should the hub come with no other, that is why the attempt failed. */
async function wrong(
  { registry }: CallbackOptions,
  { entry, grant }: ServedMatch,
  mode: 'subscribe' | 'unsubscribe',
  [status, problem]: Misfit,
): Promise<CallbackAnswer> {
  const isOpen = grant.pending?.mode === mode && grant.pending.wrong === undefined;
  if (isOpen) await registry.apply(entry.record.id, { type: 'verification-wrong', grantId: grant.id, problem });
  return refusal(status, problem);
}

async function ask(
  { entry, grant, service }: ServedMatch,
  mode: 'subscribe' | 'unsubscribe',
  challenge: string,
  lease: string | undefined,
): Promise<Pick<Acknowledgement, 'headers'> | void> {
  const seconds = lease !== undefined && /^\d{1,15}$/.test(lease) ? Number(lease) : 0;
  const verification = {
    topic: grant.topic,
    challenge,
    ...(seconds > 0 ? { leaseSeconds: seconds } : {}),
    subscription: subscriptionSnapshot(entry.record, entry.counters.stats()),
    grant: grantSnapshot(grant),
  };
  return mode === 'subscribe'
    ? service.intent.onSubscriptionVerification?.({ mode, ...verification })
    : service.intent.onUnsubscriptionVerification?.({ mode, ...verification });
}

async function refusedByHandler(
  { registry, logger, now }: CallbackOptions,
  { entry, grant }: ServedMatch,
  mode: 'subscribe' | 'unsubscribe',
  error: unknown,
): Promise<CallbackAnswer> {
  const { id } = entry.record;
  logger.warn({ subscription: id, topic: grant.topic, err: error }, `the service refused the ${mode}`);
  const failure = failureOf(error, 'handler-refused', now());
  await registry.apply(id, { type: 'handler-refused', grantId: grant.id, mode, failure });
  return refusal(404, failure.message, error instanceof WebSubError ? error : {});
}

function isForeign({ grant }: ServedMatch, { topic }: HubQuery, rawQuery: string): boolean {
  return topic !== undefined && topic !== '' && !isTopic(grant.topic, topic, rawQuery);
}

/** A token that comes back must be ours; one that does not come back is not held against the hub (PROTOCOL S4). */
function isTokenOf(ours: string | undefined, given: string | undefined): boolean {
  if (ours === undefined || given === undefined) return true;
  const [a, b] = [Buffer.from(ours), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
