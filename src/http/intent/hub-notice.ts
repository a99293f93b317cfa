import { acknowledgementOf, type Acknowledgement } from '../../delivery/handler/acknowledgement.js';
import type { AnswerDeadline } from '../../delivery/handler/answer-deadline.js';
import { callHandler } from '../../delivery/handler/handlers.js';
import { AckTimeout } from '../../delivery/handler/ack-timeout.js';
import { configuredSecrets } from '../../hub/request/request-headers.js';
import { callbackSecrets, reasonRedactor } from '../../hub/redaction/hub-text.js';
import type { HubQuery } from '../../protocol/hub-query.js';
import { isNewDenial } from '../../subscription/machine/steps/on-denied.js';
import { failureOf } from '../../subscription/record/failure.js';
import { isVerificationUndone } from '../../subscription/machine/steps/on-hub-error.js';
import { InternalHubError, SubscriptionDeniedError } from '../../subscription/hub-errors.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';
import { hasUnsolicitedDenial } from '../../subscription/machine/state.js';
import { acknowledgement, TIMED_OUT, type CallbackAnswer } from '../answer.js';
import type { CallbackContext, ServedMatch } from '../callback-context.js';

/** A denial or hub error, and the time left for its answer. */
export interface HubNotice {
  readonly query: HubQuery;
  readonly time: AnswerDeadline;
}

/** The hub denies the subscription (WebSub section 5.2). The service is told once a minute. */
export async function handleDenial(
  context: CallbackContext,
  match: ServedMatch,
  { query, time }: HubNotice,
): Promise<CallbackAnswer> {
  const { stored, grant, service } = match;
  const now = context.now();
  if (!isNewDenial(grant, now) || !isFirstDenial(context, match, now)) return acknowledgement(200, undefined);
  const { topic } = query;
  const reason = hubReason(match, query.reason);
  const error = new SubscriptionDeniedError(reason, { ...subscriptionAndGrant(match), topic });
  const failure = failureOf(error, 'denied', now);
  const applied = context.registry.apply(stored.record.id, { type: 'denied', grantId: grant.id, failure });
  const record = await new AckTimeout().wait(applied, time.storeMs);
  if (record === undefined) return TIMED_OUT;
  const denied = record.grants.find(({ id }) => id === grant.id) ?? grant;
  const about = subscriptionAndGrant({ ...match, grant: denied });
  const told = new SubscriptionDeniedError(reason, { ...about, topic });
  const answer = await callNoticeHandler(context, match, time, () =>
    callHandler(service.handlers, 'onSubscriptionValidationDenied', told),
  );
  return hasUnsolicitedDenial(denied) ? { ...answer, onSent: () => void noteDenialAnswered(context, match) } : answer;
}

/** Whether no denial came for a grant in the last minute, or none for its open request. */
function isFirstDenial({ recentNotices }: CallbackContext, { stored, grant }: ServedMatch, now: number): boolean {
  const ofGrant = `denied ${grant.id}`;
  if (grant.pending === undefined || !recentNotices.claim(stored, `${ofGrant} ${grant.pending.id}`, now)) {
    return recentNotices.claim(stored, ofGrant, now);
  }
  recentNotices.note(stored, ofGrant, now);
  return true;
}

/** Content that comes from now on, signed, says that the hub has not ended the subscription. */
async function noteDenialAnswered(
  { registry, logger }: CallbackContext,
  { stored, grant }: ServedMatch,
): Promise<void> {
  const { id } = stored.record;
  try {
    await registry.apply(id, { type: 'denial-answered', grantId: grant.id });
  } catch (error) {
    logger.warn({ subscription: id, err: error }, 'the answer to a denial could not be noted');
  }
}

/** The hub reports an error of its own. The service is told once a minute. */
export async function handleHubError(
  context: CallbackContext,
  match: ServedMatch,
  { query, time }: HubNotice,
): Promise<CallbackAnswer> {
  const { stored, grant } = match;
  const now = context.now();
  const claim = (): boolean => context.recentNotices.claim(stored, `hub-error ${grant.id}`, now);
  const undoes = isVerificationUndone(grant, now);
  if (!undoes && !claim()) return acknowledgement(200, undefined);
  const reason = hubReason(match, query.reason);
  const error = new InternalHubError(reason, { ...subscriptionAndGrant(match), topic: query.topic });
  if (undoes) {
    const failure = failureOf(error, 'hub-error', now);
    const applied = context.registry.apply(stored.record.id, { type: 'hub-error', grantId: grant.id, failure });
    if ((await new AckTimeout().wait(applied, time.storeMs)) === undefined) return TIMED_OUT;
  }
  // Once it is stored: a hub that was answered 503 sends it again.
  if (undoes && !claim()) return acknowledgement(200, undefined);
  const about = subscriptionAndGrant({
    stored: stored,
    grant: stored.record.grants.find(({ id }) => id === grant.id) ?? grant,
  });
  const told = new InternalHubError(reason, { ...about, topic: query.topic });
  context.logger.warn(
    { subscription: about.subscription.id, hub: grant.hub, topic: grant.topic },
    `hub error: ${told.message}`,
  );
  context.hooks.emit('hub-error', () => ({ ...about, error: told, at: new Date(now) }));
  return callNoticeHandler(context, match, time, () => callHandler(match.service.handlers, 'onHubError', told));
}

/** The hub is answered 200 whatever the handler does, and when it has had its time. */
async function callNoticeHandler(
  { logger }: CallbackContext,
  { stored }: ServedMatch,
  time: AnswerDeadline,
  call: () => Acknowledgement | void | Promise<Acknowledgement | void>,
): Promise<CallbackAnswer> {
  const told = async (): Promise<Acknowledgement | undefined> => {
    try {
      return acknowledgementOf(await call());
    } catch (error) {
      logger.error({ subscription: stored.record.id, err: error }, 'a handler failed');
      return undefined;
    }
  };
  return acknowledgement(200, await new AckTimeout().wait(told(), time.handlerMs));
}

/** The hub's words, fit for a message, the store and the log. */
export function hubReason(
  { stored, grant, service }: Pick<ServedMatch, 'stored' | 'grant' | 'service'>,
  reason = '',
): string {
  const secrets = grant.secrets.flatMap(({ value }) => value ?? []);
  const customParamSecrets = configuredSecrets({ httpConfig: {}, customParams: stored.record.overrides?.customParams });
  const redacted = [...callbackSecrets(grant.callback), ...secrets, ...service.redactedValues, ...customParamSecrets];
  const words = reasonRedactor(grant.verifyToken === undefined ? redacted : [...redacted, grant.verifyToken])(reason);
  return words === '' ? 'the hub gave no reason' : words;
}

function subscriptionAndGrant({
  stored,
  grant,
}: Pick<ServedMatch, 'stored' | 'grant'>): Pick<SubscriptionDeniedError, 'subscription' | 'grant'> {
  return {
    subscription: subscriptionSnapshot(stored.record, stored.counters.stats()),
    grant: grantSnapshot(grant),
  };
}
