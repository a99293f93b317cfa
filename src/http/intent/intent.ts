import { acknowledgementOf, type Acknowledgement } from '../../delivery/handler/acknowledgement.js';
import { AnswerDeadline } from '../../delivery/handler/answer-deadline.js';
import { callHandler } from '../../delivery/handler/handlers.js';
import { AckTimeout } from '../../delivery/handler/ack-timeout.js';
import { WebSubError } from '../../errors.js';
import { matchesDeniedTopic, matchesTopic, parseHubQuery, type HubQuery } from '../../protocol/hub-query.js';
import { isNewProblem } from '../../subscription/machine/steps/on-verified.js';
import { failureOf } from '../../subscription/record/failure.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';
import type { GrantRecord } from '../../subscription/record/record.js';
import { expectedRequest } from '../../subscription/machine/state.js';
import { acknowledgement, confirmation, errorAnswer, TIMED_OUT, type CallbackAnswer } from '../answer.js';
import { REASON } from '../answer-reasons.js';
import type { CallbackRequest } from '../callback-request.js';
import type { CallbackContext, ServedMatch, VerificationResult } from '../callback-context.js';
import { handleDenial, handleHubError, hubReason, type HubNotice } from './hub-notice.js';
import { findMismatch, quoted, tokenMismatch, unsolicitedMismatch } from './mismatch.js';
import type { RequestLog } from '../request-log.js';
import { log } from '../../log-events.js';

/** The answer to a denial or a hub error for another topic. */
const WRONG_TOPIC = errorAnswer(404, REASON.wrongTopic);

/** Answers a GET: verification of intent, denial, hub error (WebSub sections 5.2 and 5.3). A HEAD changes nothing. */
export async function answerIntent(
  context: CallbackContext,
  match: ServedMatch,
  request: CallbackRequest,
  requestLog?: RequestLog,
): Promise<CallbackAnswer> {
  const start = request.target.indexOf('?');
  const rawQuery = start === -1 ? '' : request.target.slice(start + 1);
  const query = parseHubQuery(rawQuery);
  if (query === undefined) return errorAnswer(400, REASON.undecodableChallenge);
  requestLog?.setMode(query.mode);
  const isProbe = request.method === 'HEAD';
  const { ackAfterMs } = match.service.delivery;
  const time = new AnswerDeadline({ ackAfterMs, storeTimeoutMs: Infinity }, 0);
  switch (query.mode) {
    case 'subscribe':
    case 'unsubscribe':
      return verify(context, match, { query, rawQuery, isProbe, mode: query.mode, time });
    case 'denied':
    case 'hub-error': {
      const matches = query.mode === 'denied' ? matchesDeniedTopic : matchesTopic;
      const isWrongTopic = !isEmpty(query.topic) && !matches(match.grant.topic, query.topic ?? '', rawQuery);
      if (isWrongTopic) return isProbe ? WRONG_TOPIC : answerWrongTopic(context, match, { query, time });
      if (isProbe) return acknowledgement(200, undefined);
      return query.mode === 'denied'
        ? handleDenial(context, match, { query, time })
        : handleHubError(context, match, { query, time });
    }
    case undefined:
      return errorAnswer(400, REASON.missingMode);
    default:
      return errorAnswer(400, REASON.unknownMode);
  }
}

interface VerificationRequest {
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly query: HubQuery;
  readonly rawQuery: string;
  readonly isProbe: boolean;
  readonly time: AnswerDeadline;
}

async function verify(
  context: CallbackContext,
  match: ServedMatch,
  { mode, query, rawQuery, isProbe, time }: VerificationRequest,
): Promise<CallbackAnswer> {
  const { grant } = match;
  const { challenge = '' } = query;
  const mismatch =
    findMismatch(grant, query, rawQuery) ??
    (context.registry.canConfirm(match, mode) ? undefined : unsolicitedMismatch(grant, mode)) ??
    tokenMismatch(grant, query);
  if (mismatch !== undefined) {
    if (!isProbe)
      await new AckTimeout().wait(noteMismatch(context, match, { problem: mismatch.problem }), time.storeMs);
    return errorAnswer(mismatch.status, mismatch.reason);
  }
  if (isProbe) return confirmation('');
  const details = { mode, challenge, lease: query.leaseSeconds };
  const result = await new AckTimeout().wait(
    Promise.resolve(sharedVerificationResult(context, match, details)),
    time.storeMs,
  );
  if (result === undefined) {
    // The handler or the store hangs. A repeated verification of a pending request calls the handler again.
    // Quirk(thylacine): repeats a verification that was answered 500. We answer 503 here and accept the repeat.
    const { key, requestId } = verificationKeyOf(grant, mode, context.now());
    if (requestId !== undefined) context.recentVerifications.delete(match.stored, key);
    return TIMED_OUT;
  }
  if ('errorAnswer' in result) return result.errorAnswer;
  const { requestId } = result;
  if (requestId === undefined) return confirmation(challenge, result.headers);
  return { ...confirmation(challenge, result.headers), onSent: () => void noteAnswered(context, match, requestId) };
}

interface VerificationDetails {
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly challenge: string;
  readonly lease: string | undefined;
}

/**
 * The result of a verification. Concurrent verifications with the same key share one result. Unsolicited ones share it
 * for a minute (PROTOCOL V9).
 */
function sharedVerificationResult(
  context: CallbackContext,
  match: ServedMatch,
  details: VerificationDetails,
): VerificationResult | Promise<VerificationResult> {
  const { stored, grant } = match;
  const { recentVerifications } = context;
  const now = context.now();
  const { key, requestId } = verificationKeyOf(grant, details.mode, now);
  const isSolicited = requestId !== undefined;
  const recent = recentVerifications.get(stored, key, now);
  // A solicited verification shares only a running result. A finished result may no longer apply.
  if (recent !== undefined && (!isSolicited || recent instanceof Promise)) return recent;
  const run = async (): Promise<VerificationResult> => {
    try {
      const result = await runVerification(context, match, { ...details, requestId });
      if (isSolicited) recentVerifications.delete(stored, key);
      else recentVerifications.set(stored, key, result, context.now());
      return result;
    } catch (error) {
      recentVerifications.delete(stored, key);
      throw error;
    }
  };
  const running = run();
  recentVerifications.set(stored, key, running, now);
  return running;
}

/**
 * The key for sharing the result of a verification, and the request that the verification answers. Undefined: it is
 * unsolicited, so no open request waits for a verification.
 *
 * Quirk(Switchboard): sends the same challenge again. We never tell verifications apart by their challenge.
 */
function verificationKeyOf(
  grant: GrantRecord,
  mode: 'subscribe' | 'unsubscribe',
  now: number,
): { readonly key: string; readonly requestId: string | undefined } {
  const requestId = expectedRequest(grant, mode, now);
  return { key: requestId === undefined ? `${mode} ${grant.id}` : `${mode} ${grant.id} ${requestId}`, requestId };
}

async function runVerification(
  context: CallbackContext,
  match: ServedMatch,
  { mode, challenge, lease, requestId }: VerificationDetails & { readonly requestId: string | undefined },
): Promise<VerificationResult> {
  const { stored, grant } = match;
  let headers;
  try {
    headers = acknowledgementOf(await callVerificationHandler(match, mode, challenge, lease))?.headers;
  } catch (error) {
    return { errorAnswer: await refusedByHandler(context, match, { mode, requestId }, error) };
  }
  const { id } = stored.record;
  // Quirk(thylacine): delivers the topic's content milliseconds after the first verification. We store the grant before
  // we answer, so that this delivery is accepted.
  const verified = { type: 'verified', grantId: grant.id, requestId, mode, leaseSeconds: lease } as const;
  const after = await context.registry.apply(id, verified);
  const confirmedState = mode === 'subscribe' ? 'active' : 'unsubscribed';
  const isConfirmed = after.grants.some((each) => each.id === grant.id && each.state === confirmedState);
  if (!isConfirmed) return { errorAnswer: errorAnswer(404, REASON.notWanted[mode]) };
  return { headers, requestId };
}

/** Stores that the hub got its confirmation. If that fails, the request is sent to the hub once more. */
async function noteAnswered(
  { registry, logger }: CallbackContext,
  { stored, grant }: ServedMatch,
  requestId: string,
): Promise<void> {
  const { id, grants } = stored.record;
  if (grants.find((each) => each.id === grant.id)?.isConfirmationUnsent !== true) return;
  try {
    await registry.apply(id, { type: 'answered', grantId: grant.id, requestId });
  } catch (error) {
    log(logger, 'verification.not-stored', { subscription: id, err: error });
  }
}

/** Answers a denial or a hub error for another topic than the grant's. */
async function answerWrongTopic(
  context: CallbackContext,
  match: ServedMatch,
  { query, time }: HubNotice,
): Promise<CallbackAnswer> {
  const { stored, grant } = match;
  const { mode = '', topic = '', reason = '' } = query;
  const problem = `hub.topic of hub.mode=${mode} is ${quoted(topic)}; it must be ${quoted(grant.topic)}`;
  const { id } = stored.record;
  // Redaction is slow, so only the first line in a minute has the reason. The logger throttles repeats.
  const isFirst = context.recentNotices.claim(stored, `foreign ${mode} ${grant.id}`, context.now());
  const reasonText = isFirst ? ` (reason: ${quoted(hubReason(match, reason))})` : '';
  const fields = { subscription: id, hub: grant.hub, topic: grant.topic };
  log(context.logger, 'callback.wrong-topic', { ...fields, detail: `${problem}${reasonText}` });
  await new AckTimeout().wait(noteMismatch(context, match, { problem, isNotice: true }), time.storeMs);
  return WRONG_TOPIC;
}

/** Stores a problem. It becomes the failure of the attempt if no correct verification follows. */
async function noteMismatch(
  { registry }: CallbackContext,
  { stored, grant }: ServedMatch,
  mismatch: { readonly problem: string; readonly isNotice?: boolean },
): Promise<void> {
  const requestId = grant.pending?.id;
  if (requestId !== undefined && isNewProblem(grant, mismatch)) {
    await registry.apply(stored.record.id, { type: 'verification-wrong', grantId: grant.id, requestId, ...mismatch });
  }
}

function isEmpty(text: string | undefined): boolean {
  return text === undefined || text === '';
}

async function callVerificationHandler(
  { stored, grant, service }: ServedMatch,
  mode: 'subscribe' | 'unsubscribe',
  challenge: string,
  lease: string | undefined,
): Promise<Pick<Acknowledgement, 'headers'> | void> {
  const seconds = lease !== undefined && /^\d{1,15}$/.test(lease) ? Number(lease) : 0;
  const verification = {
    topic: grant.topic,
    challenge,
    ...(seconds > 0 ? { leaseSeconds: seconds } : {}),
    subscription: subscriptionSnapshot(stored.record, stored.counters.stats()),
    grant: grantSnapshot(grant),
  };
  return mode === 'subscribe'
    ? callHandler(service.handlers, 'onSubscriptionVerification', { mode, ...verification })
    : callHandler(service.handlers, 'onUnsubscriptionVerification', { mode, ...verification });
}

async function refusedByHandler(
  { registry, logger, now }: CallbackContext,
  { stored, grant }: ServedMatch,
  { mode, requestId }: { readonly mode: 'subscribe' | 'unsubscribe'; readonly requestId: string | undefined },
  error: unknown,
): Promise<CallbackAnswer> {
  const { id } = stored.record;
  log(logger, 'verification.refused', { subscription: id, topic: grant.topic, mode, err: error });
  const failure = failureOf(error, 'handler-refused', now());
  // A refused unsolicited verification changes nothing (PROTOCOL V9).
  const refused = { type: 'handler-refused', grantId: grant.id, requestId, mode, failure } as const;
  if (requestId !== undefined || mode === 'unsubscribe') await registry.apply(id, refused);
  return errorAnswer(404, failure.message, error instanceof WebSubError ? error : {});
}
