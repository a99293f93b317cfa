import type {
  ContentDistributionMessage,
  DeadLetterCause,
  Grant,
  HookListener,
  HookName,
  HookPayload,
  HookPayloads,
  InternalHubError,
  SignatureError,
  SubscriberRuntime,
} from '../../src/index.js';

/** The payload of each hook has its promised fields as required properties. */
export function listen({ hooks }: SubscriberRuntime): readonly (() => void)[] {
  const grants: Grant[] = [];
  const events: ContentDistributionMessage[] = [];
  const errors: Error[] = [];
  return [
    hooks.on('requested', ({ grant }) => grants.push(grant)),
    hooks.on('verified', ({ grant, subscription, at }) => [grant.id, subscription.id, at.getTime()]),
    hooks.on('renewed', ({ grant }) => grants.push(grant)),
    hooks.on('expired', ({ grant }) => grants.push(grant)),
    hooks.on('hub-moved', ({ grant }) => grants.push(grant)),
    hooks.on('topic-moved', ({ grant }) => grants.push(grant)),
    hooks.on('unsubscribed', ({ grant }) => grant?.id),
    hooks.on('denied', ({ grant, error }) => [grant.hub, error.message]),
    hooks.on('failed', ({ grant, error }) => [grant?.hub, error.message]),
    hooks.on('hub-silent', ({ grant, error }) => [grant.hub, error.message]),
    hooks.on('hub-error', ({ grant, error }) => {
      const typed: InternalHubError = error;
      return [grant.hub, typed.code];
    }),
    hooks.on('rejected', ({ grant, error }) => {
      const typed: SignatureError = error;
      return [grant.hub, typed.code];
    }),
    hooks.on('notification', ({ event }) => events.push(event)),
    hooks.on('delivered', ({ event, grant }) => [event.id, grant.id]),
    hooks.on('handler-error', ({ event, error }) => [event.id, errors.push(error)]),
    hooks.on('dead-letter', ({ event, error, cause }) => {
      const typedCause: DeadLetterCause = cause;
      return [event.id, error.message, typedCause];
    }),
  ];
}

/** One listener for several or all hooks: fields that some hooks lack are optional. */
export function listenToAll({ hooks }: SubscriberRuntime, names: readonly HookName[]): void {
  const log: HookListener = ({ subscription, grant, event, error, cause }: HookPayload) => [
    subscription.id,
    grant?.hub,
    event?.id,
    error?.message,
    cause,
  ];
  for (const name of names) hooks.on(name, log);
  for (const name of ['delivered', 'notification'] as const) hooks.on(name, ({ event }) => event.id);
  hooks.on('rejected', log);
}

export const rejected: HookListener<'rejected'> = ({ error }) => error.message;
export const messageOf = ({ error }: HookPayload<'failed' | 'denied'>): string => error.message;
export const idOf = (payload: HookPayloads['delivered']): string => payload.event.id;
