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
import { log } from '../../log-events.js';

/** A denial or hub error, and the time left for its answer. */
export interface HubNotice {
  readonly query: HubQuery;
  readonly time: AnswerDeadline;
}

/**
 * Handles a denial of the subscription (WebSub section 5.2). Calls the handler at most once a minute, and once for each
 * new request.
 */
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
  const snapshots = subscriptionAndGrant({ ...match, grant: denied });
  const reportedError = new SubscriptionDeniedError(reason, { ...snapshots, topic });
  const answer = await callNoticeHandler(context, match, time, () =>
    callHandler(service.handlers, 'onSubscriptionValidationDenied', reportedError),
  );
  return hasUnsolicitedDenial(denied) ? { ...answer, onSent: () => void noteDenialAnswered(context, match) } : answer;
}

/** Whether the grant, or its pending request, had no denial in the last minute. */
function isFirstDenial({ recentNotices }: CallbackContext, { stored, grant }: ServedMatch, now: number): boolean {
  const grantKey = `denied ${grant.id}`;
  if (grant.pending === undefined || !recentNotices.claim(stored, `${grantKey} ${grant.pending.id}`, now)) {
    return recentNotices.claim(stored, grantKey, now);
  }
  recentNotices.note(stored, grantKey, now);
  return true;
}

/** Stores that a denial was answered. Signed content from now on proves that the hub has not ended the subscription. */
async function noteDenialAnswered(
  { registry, logger }: CallbackContext,
  { stored, grant }: ServedMatch,
): Promise<void> {
  const { id } = stored.record;
  try {
    await registry.apply(id, { type: 'denial-answered', grantId: grant.id });
  } catch (error) {
    log(logger, 'denial.not-stored', { subscription: id, err: error });
  }
}

/** Handles an error that the hub reports. Calls the handler at most once a minute. */
export async function handleHubError(
  context: CallbackContext,
  match: ServedMatch,
  { query, time }: HubNotice,
): Promise<CallbackAnswer> {
  const { stored, grant } = match;
  const now = context.now();
  const claim = (): boolean => context.recentNotices.claim(stored, `hub-error ${grant.id}`, now);
  const undoesVerification = isVerificationUndone(grant, now);
  if (!undoesVerification && !claim()) return acknowledgement(200, undefined);
  const reason = hubReason(match, query.reason);
  const error = new InternalHubError(reason, { ...subscriptionAndGrant(match), topic: query.topic });
  if (undoesVerification) {
    const failure = failureOf(error, 'hub-error', now);
    const applied = context.registry.apply(stored.record.id, { type: 'hub-error', grantId: grant.id, failure });
    if ((await new AckTimeout().wait(applied, time.storeMs)) === undefined) return TIMED_OUT;
  }
  // Claimed only after the failure is stored: after a 503 the hub reports the error again.
  if (undoesVerification && !claim()) return acknowledgement(200, undefined);
  const snapshots = subscriptionAndGrant({
    stored,
    grant: stored.record.grants.find(({ id }) => id === grant.id) ?? grant,
  });
  const reportedError = new InternalHubError(reason, { ...snapshots, topic: query.topic });
  const fields = { subscription: snapshots.subscription.id, hub: grant.hub, topic: grant.topic };
  log(context.logger, 'hub.error', { ...fields, detail: reportedError.message });
  context.hooks.emit('hub-error', () => ({ ...snapshots, error: reportedError, at: new Date(now) }));
  return callNoticeHandler(context, match, time, () =>
    callHandler(match.service.handlers, 'onHubError', reportedError),
  );
}

/** Calls a handler, and answers 200 even if it fails or exceeds its time. */
async function callNoticeHandler(
  { logger }: CallbackContext,
  { stored }: ServedMatch,
  time: AnswerDeadline,
  call: () => Acknowledgement | void | Promise<Acknowledgement | void>,
): Promise<CallbackAnswer> {
  const callSafely = async (): Promise<Acknowledgement | undefined> => {
    try {
      return acknowledgementOf(await call());
    } catch (error) {
      log(logger, 'callback.handler-failed', { subscription: stored.record.id, err: error });
      return undefined;
    }
  };
  return acknowledgement(200, await new AckTimeout().wait(callSafely(), time.handlerMs));
}

/** The reason of the hub, redacted for messages, the store and the log. */
export function hubReason(
  { stored, grant, service }: Pick<ServedMatch, 'stored' | 'grant' | 'service'>,
  reason = '',
): string {
  const secrets = grant.secrets.flatMap(({ value }) => value ?? []);
  const customParamSecrets = configuredSecrets({ httpConfig: {}, customParams: stored.record.overrides?.customParams });
  const redacted = [...callbackSecrets(grant.callback), ...secrets, ...service.redactedValues, ...customParamSecrets];
  const redactedReason = reasonRedactor(grant.verifyToken === undefined ? redacted : [...redacted, grant.verifyToken])(
    reason,
  );
  return redactedReason === '' ? 'the hub gave no reason' : redactedReason;
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
