import { acknowledgementOf } from '../delivery/acknowledgement.js';
import type { Acknowledgement } from '../delivery/event-handler.js';
import { Patience } from '../delivery/patience.js';
import { hubWords } from '../hub/hub-text.js';
import type { HubQuery } from '../protocol/hub-query.js';
import { failureOf } from '../subscription/failure.js';
import { InternalHubError, SubscriptionDeniedError } from '../subscription/hub-errors.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/snapshot-of.js';
import { isOver } from '../subscription/state.js';
import { acknowledgement, type CallbackAnswer } from './answer.js';
import type { CallbackOptions, ServedMatch } from './callback.js';
import { secretOfCallback } from './own-requests.js';

/** The hub denies the subscription (WebSub section 5.2). */
export async function deny(options: CallbackOptions, match: ServedMatch, query: HubQuery): Promise<CallbackAnswer> {
  const { entry, grant, service } = match;
  // It has ended already, and there is nobody to tell.
  if (isOver(grant)) return acknowledgement(200, undefined);
  const { topic } = query;
  const reason = reasonOf(match, query);
  const error = new SubscriptionDeniedError(reason, { ...hubMessage(match), topic });
  const record = await options.registry.apply(entry.record.id, {
    type: 'denied',
    grantId: grant.id,
    failure: failureOf(error, 'denied', options.now()),
  });
  const denied = record.grants.find(({ id }) => id === grant.id) ?? grant;
  const about = hubMessage({ ...match, grant: denied });
  const told = new SubscriptionDeniedError(reason, { ...about, topic });
  return tell(options, match, () => service.intent.onSubscriptionValidationDenied?.(told));
}

/** The hub reports an error of its own. */
export async function hubError(options: CallbackOptions, match: ServedMatch, query: HubQuery): Promise<CallbackAnswer> {
  const about = hubMessage(match);
  const error = new InternalHubError(reasonOf(match, query), { ...about, topic: query.topic });
  const { subscription, grant } = about;
  options.logger.warn(
    { subscription: subscription.id, hub: grant.hub, topic: grant.topic },
    `hub error: ${error.message}`,
  );
  options.hooks.emit('hub-error', () => ({ subscription, grant, error, at: new Date(options.now()) }));
  return tell(options, match, () => match.service.intent.onHubError?.(error));
}

/** The hub is answered 200 whatever the handler does, and when it has had its time. */
async function tell(
  { logger }: CallbackOptions,
  { entry, service }: ServedMatch,
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
  return acknowledgement(200, await new Patience().wait(told(), service.delivery.ackAfterMs));
}

/** The hub's words, fit for a message, the store and the log. */
function reasonOf({ grant }: ServedMatch, { reason = '' }: HubQuery): string {
  const hidden = [...secretOfCallback(grant.callback), ...grant.secrets.flatMap(({ value }) => value ?? [])];
  const words = hubWords(grant.verifyToken === undefined ? hidden : [...hidden, grant.verifyToken])(reason);
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
