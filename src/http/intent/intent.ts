import { acknowledgementOf, type Acknowledgement } from '../../delivery/handler/acknowledgement.js';
import { AnswerTime } from '../../delivery/handler/answer-deadline.js';
import { callHandler } from '../../delivery/handler/handlers.js';
import { Patience } from '../../delivery/handler/ack-timeout.js';
import { WebSubError } from '../../errors.js';
import { isDeniedTopic, isTopic, readHubQuery, type HubQuery } from '../../protocol/hub-query.js';
import { isNewProblem } from '../../subscription/machine/steps/on-verified.js';
import { failureOf } from '../../subscription/record/failure.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';
import type { GrantRecord } from '../../subscription/record/record.js';
import { isOpen, isOver } from '../../subscription/machine/state.js';
import { acknowledgement, confirmation, refusal, TOO_LATE, type CallbackAnswer } from '../answer.js';
import type { CallbackRequest } from '../callback-request.js';
import type { CallbackContext, ServedMatch, Verdict } from '../callback-context.js';
import { deny, hubError, hubReason, type HubNotice } from './hub-notice.js';
import { misfitOf, quoted, tokenMisfit, unaskedFor } from './mismatch.js';
import type { RequestLog } from '../request-log.js';

/** The answer to a denial or an error for another topic. */
const FOREIGN_TOPIC = refusal(404, 'this topic was not asked for');

/** Answers a GET: verification of intent, denial, hub error (WebSub sections 5.2 and 5.3). A HEAD changes nothing. */
export async function answerIntent(
  context: CallbackContext,
  match: ServedMatch,
  request: CallbackRequest,
  log?: RequestLog,
): Promise<CallbackAnswer> {
  const start = request.target.indexOf('?');
  const rawQuery = start === -1 ? '' : request.target.slice(start + 1);
  const query = readHubQuery(rawQuery);
  if (query === undefined) return refusal(400, 'hub.challenge is not UTF-8');
  log?.asked(query.mode);
  const isProbe = request.method === 'HEAD';
  const { ackAfterMs } = match.service.delivery;
  const time = new AnswerTime({ ackAfterMs, storeTimeoutMs: Infinity }, 0);
  switch (query.mode) {
    case 'subscribe':
    case 'unsubscribe':
      return verify(context, match, { query, rawQuery, isProbe, mode: query.mode, time });
    case 'denied':
    case 'hub-error': {
      const isSame = query.mode === 'denied' ? isDeniedTopic : isTopic;
      const isForeign = !isEmpty(query.topic) && !isSame(match.grant.topic, query.topic ?? '', rawQuery);
      if (isForeign) return isProbe ? FOREIGN_TOPIC : foreignNotice(context, match, { query, time });
      if (isProbe) return acknowledgement(200, undefined);
      return query.mode === 'denied'
        ? deny(context, match, { query, time })
        : hubError(context, match, { query, time });
    }
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
  readonly time: AnswerTime;
}

async function verify(
  context: CallbackContext,
  match: ServedMatch,
  { mode, query, rawQuery, isProbe, time }: VerificationRequest,
): Promise<CallbackAnswer> {
  const { grant } = match;
  const { challenge = '' } = query;
  const misfit =
    misfitOf(grant, query, rawQuery) ??
    (context.registry.mayConfirm(match, mode) ? undefined : unaskedFor(grant, mode)) ??
    tokenMisfit(grant, query);
  if (misfit !== undefined) {
    if (!isProbe) await new Patience().wait(noteMisfit(context, match, { problem: misfit.problem }), time.forStore);
    return refusal(misfit.status, misfit.said);
  }
  if (isProbe) return confirmation('');
  const question = { mode, challenge, lease: query.leaseSeconds };
  const verdict = await new Patience().wait(Promise.resolve(verdictOn(context, match, question)), time.forStore);
  if (verdict === undefined) {
    // The handler or the store hangs. The next try for a request of ours calls the handler again.
    // Quirk(thylacine): repeats a verification that was answered 500. We answer 503 here and accept the repeat.
    const { key, isAsked } = roundOf(grant, mode, context.now());
    if (isAsked) context.verdicts.delete(match.entry, key);
    return TOO_LATE;
  }
  if ('refusal' in verdict) return verdict.refusal;
  // Whether it is noted is of no matter where it was before.
  return { ...confirmation(challenge, verdict.headers), onSent: () => void answered(context, match) };
}

interface Question {
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly challenge: string;
  readonly lease: string | undefined;
}

/**
 * The verdict on a verification. While one is being found it holds for all that come meanwhile; for a minute, also for all
 * that nobody asked for (PROTOCOL V9).
 */
function verdictOn(context: CallbackContext, match: ServedMatch, question: Question): Verdict | Promise<Verdict> {
  const { entry, grant } = match;
  const { verdicts } = context;
  const now = context.now();
  const { key: round, isAsked } = roundOf(grant, question.mode, now);
  const known = verdicts.get(entry, round, now);
  // A later answer to the same request may be another one.
  if (known !== undefined && (!isAsked || known instanceof Promise)) return known;
  const find = async (): Promise<Verdict> => {
    try {
      const verdict = await findVerdict(context, match, { ...question, isAsked });
      if (isAsked) verdicts.delete(entry, round);
      else verdicts.set(entry, round, verdict, context.now());
      return verdict;
    } catch (error) {
      verdicts.delete(entry, round);
      throw error;
    }
  };
  const finding = find();
  verdicts.set(entry, round, finding, now);
  return finding;
}

/**
 * The key that verdicts on a verification are shared by, and whether it answers a request of ours.
 *
 * Quirk(Switchboard): sends the same challenge again. We never tell verifications apart by their challenge.
 */
function roundOf(
  grant: GrantRecord,
  mode: 'subscribe' | 'unsubscribe',
  now: number,
): { readonly key: string; readonly isAsked: boolean } {
  const { id, pending } = grant;
  const isAsked = pending?.verified !== true && (mode === 'subscribe' ? isOpen(grant, now) : !isOver(grant));
  return { key: isAsked ? `${mode} ${id} ${pending?.id ?? ''}` : `${mode} ${id}`, isAsked };
}

async function findVerdict(
  context: CallbackContext,
  match: ServedMatch,
  { mode, challenge, lease, isAsked }: Question & { readonly isAsked: boolean },
): Promise<Verdict> {
  const { entry, grant } = match;
  let headers;
  try {
    headers = acknowledgementOf(await ask(match, mode, challenge, lease))?.headers;
  } catch (error) {
    return { refusal: await refusedByHandler(context, match, { mode, isAsked }, error) };
  }
  const { id } = entry.record;
  // Quirk(thylacine): delivers the topic's content milliseconds after the first verification. We store the grant before we
  // answer, so that this delivery is accepted.
  const after = await context.registry.apply(id, { type: 'verified', grantId: grant.id, mode, leaseSeconds: lease });
  const reached = mode === 'subscribe' ? 'active' : 'unsubscribed';
  const isReached = after.grants.some((each) => each.id === grant.id && each.state === reached);
  if (!isReached) return { refusal: refusal(404, `this ${mode} is not wanted any more`) };
  return { headers };
}

/** The hub knows. Should that not be noted, it is asked once more. */
async function answered({ registry, logger }: CallbackContext, { entry, grant }: ServedMatch): Promise<void> {
  const { id, grants } = entry.record;
  if (grants.find((each) => each.id === grant.id)?.unanswered !== true) return;
  try {
    await registry.apply(id, { type: 'answered', grantId: grant.id });
  } catch (error) {
    logger.warn({ subscription: id, err: error }, 'that a hub was answered could not be noted: it is asked once more');
  }
}

/** A denial or an error for another topic than was asked for. */
async function foreignNotice(
  context: CallbackContext,
  match: ServedMatch,
  { query, time }: HubNotice,
): Promise<CallbackAnswer> {
  const { entry, grant } = match;
  const { mode = '', topic = '', reason = '' } = query;
  const problem = `a hub.mode=${mode} came for ${quoted(topic)}, not ${quoted(grant.topic)}`;
  const { id } = entry.record;
  // The logger counts the repeated lines: only the first of a minute pays for hiding secrets.
  const isFirst = context.notices.claim(entry, `foreign ${mode} ${grant.id}`, context.now());
  const said = isFirst ? ` (reason: ${quoted(hubReason(match, reason))})` : '';
  context.logger.warn({ subscription: id, hub: grant.hub, topic: grant.topic }, `${problem}: answered 404${said}`);
  await new Patience().wait(noteMisfit(context, match, { problem, isNotice: true }), time.forStore);
  return FOREIGN_TOPIC;
}

/** Should the hub come with nothing better, this is why the attempt failed. */
async function noteMisfit(
  { registry }: CallbackContext,
  { entry, grant }: ServedMatch,
  said: { readonly problem: string; readonly isNotice?: boolean },
): Promise<void> {
  if (isNewProblem(grant, said)) {
    await registry.apply(entry.record.id, { type: 'verification-wrong', grantId: grant.id, ...said });
  }
}

function isEmpty(text: string | undefined): boolean {
  return text === undefined || text === '';
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
    ? callHandler(service.handlers, 'onSubscriptionVerification', { mode, ...verification })
    : callHandler(service.handlers, 'onUnsubscriptionVerification', { mode, ...verification });
}

async function refusedByHandler(
  { registry, logger, now }: CallbackContext,
  { entry, grant }: ServedMatch,
  { mode, isAsked }: { readonly mode: 'subscribe' | 'unsubscribe'; readonly isAsked: boolean },
  error: unknown,
): Promise<CallbackAnswer> {
  const { id } = entry.record;
  logger.warn({ subscription: id, topic: grant.topic, err: error }, `the service refused the ${mode}`);
  const failure = failureOf(error, 'handler-refused', now());
  // A refused verification that answers no request of ours changes nothing (PROTOCOL V9).
  if (isAsked) await registry.apply(id, { type: 'handler-refused', grantId: grant.id, mode, failure });
  return refusal(404, failure.message, error instanceof WebSubError ? error : {});
}
