import { acknowledgementOf, type Acknowledgement } from '../../delivery/handler/acknowledgement.js';
import type { AnswerTime } from '../../delivery/handler/answer-deadline.js';
import { callHandler } from '../../delivery/handler/handlers.js';
import { Patience } from '../../delivery/handler/ack-timeout.js';
import { configuredSecrets } from '../../hub/request/request-headers.js';
import { capabilityOf, reasonWords } from '../../hub/redaction/hub-text.js';
import type { HubQuery } from '../../protocol/hub-query.js';
import { isNewDenial } from '../../subscription/machine/steps/on-denied.js';
import { failureOf } from '../../subscription/record/failure.js';
import { undoesVerification } from '../../subscription/machine/steps/on-hub-error.js';
import { InternalHubError, SubscriptionDeniedError } from '../../subscription/hub-errors.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';
import { isDeniedUnasked } from '../../subscription/machine/state.js';
import { acknowledgement, TOO_LATE, type CallbackAnswer } from '../answer.js';
import type { CallbackContext, ServedMatch } from '../callback-context.js';

/** A denial or hub error, and the time left for its answer. */
export interface HubNotice {
  readonly query: HubQuery;
  readonly time: AnswerTime;
}

/** The hub denies the subscription (WebSub section 5.2). The service is told once a minute. */
export async function deny(
  context: CallbackContext,
  match: ServedMatch,
  { query, time }: HubNotice,
): Promise<CallbackAnswer> {
  const { entry, grant, service } = match;
  const now = context.now();
  if (!isNewDenial(grant, now) || !isFirstDenial(context, match, now)) return acknowledgement(200, undefined);
  const { topic } = query;
  const reason = hubReason(match, query.reason);
  const error = new SubscriptionDeniedError(reason, { ...hubMessage(match), topic });
  const failure = failureOf(error, 'denied', now);
  const noted = context.registry.apply(entry.record.id, { type: 'denied', grantId: grant.id, failure });
  const record = await new Patience().wait(noted, time.forStore);
  if (record === undefined) return TOO_LATE;
  const denied = record.grants.find(({ id }) => id === grant.id) ?? grant;
  const about = hubMessage({ ...match, grant: denied });
  const told = new SubscriptionDeniedError(reason, { ...about, topic });
  const answer = await tell(context, match, time, () =>
    callHandler(service.handlers, 'onSubscriptionValidationDenied', told),
  );
  return isDeniedUnasked(denied) ? { ...answer, onSent: () => void denialAnswered(context, match) } : answer;
}

/** Whether no denial came for a grant in the last minute, or none for its open request. */
function isFirstDenial({ notices }: CallbackContext, { entry, grant }: ServedMatch, now: number): boolean {
  const ofGrant = `denied ${grant.id}`;
  if (grant.pending === undefined || !notices.claim(entry, `${ofGrant} ${grant.pending.id}`, now)) {
    return notices.claim(entry, ofGrant, now);
  }
  notices.note(entry, ofGrant, now);
  return true;
}

/** Content that comes from now on, signed, says that the hub has not ended the subscription. */
async function denialAnswered({ registry, logger }: CallbackContext, { entry, grant }: ServedMatch): Promise<void> {
  const { id } = entry.record;
  try {
    await registry.apply(id, { type: 'denial-answered', grantId: grant.id });
  } catch (error) {
    logger.warn({ subscription: id, err: error }, 'the answer to a denial could not be noted');
  }
}

/** The hub reports an error of its own. The service is told once a minute. */
export async function hubError(
  context: CallbackContext,
  match: ServedMatch,
  { query, time }: HubNotice,
): Promise<CallbackAnswer> {
  const { entry, grant } = match;
  const now = context.now();
  const claim = (): boolean => context.notices.claim(entry, `hub-error ${grant.id}`, now);
  const undoes = undoesVerification(grant, now);
  if (!undoes && !claim()) return acknowledgement(200, undefined);
  const reason = hubReason(match, query.reason);
  const error = new InternalHubError(reason, { ...hubMessage(match), topic: query.topic });
  if (undoes) {
    const failure = failureOf(error, 'hub-error', now);
    const noted = context.registry.apply(entry.record.id, { type: 'hub-error', grantId: grant.id, failure });
    if ((await new Patience().wait(noted, time.forStore)) === undefined) return TOO_LATE;
  }
  // Once it is stored: a hub that was answered 503 sends it again.
  if (undoes && !claim()) return acknowledgement(200, undefined);
  const about = hubMessage({ entry, grant: entry.record.grants.find(({ id }) => id === grant.id) ?? grant });
  const told = new InternalHubError(reason, { ...about, topic: query.topic });
  context.logger.warn(
    { subscription: about.subscription.id, hub: grant.hub, topic: grant.topic },
    `hub error: ${told.message}`,
  );
  context.hooks.emit('hub-error', () => ({ ...about, error: told, at: new Date(now) }));
  return tell(context, match, time, () => callHandler(match.service.handlers, 'onHubError', told));
}

/** The hub is answered 200 whatever the handler does, and when it has had its time. */
async function tell(
  { logger }: CallbackContext,
  { entry }: ServedMatch,
  time: AnswerTime,
  call: () => Acknowledgement | void | Promise<Acknowledgement | void>,
): Promise<CallbackAnswer> {
  const told = async (): Promise<Acknowledgement | undefined> => {
    try {
      return acknowledgementOf(await call());
    } catch (error) {
      logger.error({ subscription: entry.record.id, err: error }, 'a handler failed');
      return undefined;
    }
  };
  return acknowledgement(200, await new Patience().wait(told(), time.forHandler));
}

/** The hub's words, fit for a message, the store and the log. */
export function hubReason(
  { entry, grant, service }: Pick<ServedMatch, 'entry' | 'grant' | 'service'>,
  reason = '',
): string {
  const secrets = grant.secrets.flatMap(({ value }) => value ?? []);
  const own = configuredSecrets({ httpConfig: {}, customParams: entry.record.overrides?.customParams });
  const hidden = [...capabilityOf(grant.callback), ...secrets, ...service.hidden, ...own];
  const words = reasonWords(grant.verifyToken === undefined ? hidden : [...hidden, grant.verifyToken])(reason);
  return words === '' ? 'the hub gave no reason' : words;
}

function hubMessage({
  entry,
  grant,
}: Pick<ServedMatch, 'entry' | 'grant'>): Pick<SubscriptionDeniedError, 'subscription' | 'grant'> {
  return {
    subscription: subscriptionSnapshot(entry.record, entry.counters.stats()),
    grant: grantSnapshot(grant),
  };
}
