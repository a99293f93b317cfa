import { debug, error, fatal, info, warn, writeLine } from './log-definition.js';
import type { Detail, NextAttempt, SubscriptionFields } from './log-definition.js';
import type { Logger } from './logger.js';

export type { NextAttempt, SubscriptionFields } from './log-definition.js';

/** The error is written with its code and stack. */
type Failed = Readonly<{ err: unknown }>;
type OnSubscription = Readonly<{ subscription: string }>;
type OnGrant = Readonly<{ subscription: string; hub: string; topic: string }>;
type OnEvent = Readonly<{ eventId: string }>;
type CaughtUp = Readonly<{ subscription: string; topic: string; since: string; entries: number; new: number }>;

/** `suppressed` is the number of similar lines that were not written since the last one. */
type Throttled = Readonly<{ suppressed: number }>;

type FailedAttempt = SubscriptionFields & Detail & NextAttempt & { readonly code: string };

/** What a request was about, how it ended, and how long it took. Undefined fields are not written. */
type Measured = Readonly<Record<string, string | number | undefined>>;

/**
 * All lines that the runtime logs, by `event`: the level, the message and the fields. The README explains each. A
 * message is short and starts in lower case. It says what happened, then what follows or what to do.
 */
export const LOG_EVENTS = {
  // Start and stop
  'store.opened': info<{ store: string; durable: boolean; sealedWith?: string }>('store opened'),
  'store.waiting': info<{ store: string; ownerPid: number; ownerHost: string | undefined; waitSeconds: number }>(
    ({ ownerPid, ownerHost, waitSeconds }) =>
      `store in use by process ${ownerPid} on ${ownerHost}; waiting up to ${waitSeconds} s`,
  ),
  'public-url.local': warn<{ publicUrl: string }>(
    'hubs on other machines cannot reach the callbacks; set publicUrl or WEBSUB_PUBLIC_URL, or use a tunnel',
  ),
  'handler.misspelled': warn<{ service: string; method: string; handler: string }>(
    ({ method, handler }) => `method ${method} is never called; did you mean ${handler}?`,
  ),
  'package.load-failed': error<Failed>('package not loaded; trying again when it is needed'),
  'listener.file-limit': warn<{ maxConnections: number; openFiles: number | undefined }>(
    'the limit of open files is too low for security.maxConnections; the process accepts fewer connections',
  ),
  'requests.deferred': info<{ until: 'begin' | 'listening' }>(({ until }) =>
    until === 'begin'
      ? 'subscribe requests wait for runtime.begin()'
      : 'subscribe requests wait until the given server listens',
  ),
  'declared.not-stored': fatal<Failed>('declared subscriptions not stored; stopping'),
  'declared.stopped': warn<Detail & { subscriptions: readonly { id: string; stoppedBecause: string | undefined }[] }>(
    ({ detail }) => `declared, but ended, denied, refused or given up earlier; call runtime.retry(id): ${detail}`,
  ),
  'declared.orphaned': info<Detail & { subscriptions: readonly string[]; unsubscribed: boolean }>(
    ({ detail, unsubscribed }) =>
      unsubscribed
        ? `no longer declared; unsubscribing: ${detail}`
        : `no longer declared, but still subscribed; set pruneDeclared or call runtime.unsubscribe(id): ${detail}`,
  ),
  'declared.duplicate': warn<Detail & OnSubscription & { service: string }>(
    ({ detail }) => `two stored subscriptions for one target; unsubscribing the newer one: ${detail}`,
  ),
  'declared.replaced': warn<Detail & OnSubscription & { service: string }>(
    ({ detail }) => `the fixed callback now serves another target; unsubscribing: ${detail}`,
  ),
  'service.not-started': warn<Detail & { service: string; subscriptions: readonly string[] }>(
    ({ service, detail }) =>
      `the store has subscriptions of service "${service}", which is not started; start it, or call runtime.unsubscribe(id): ${detail}`,
  ),
  'shutdown.unsubscribes': info<{ services: readonly string[] }>(
    'a stop unsubscribes; events published until the next start are fetched only if the topic is a feed; set unsubscribeOnShutdown: false to stay subscribed',
  ),
  'signals.not-handled': info<{ services: readonly string[] }>(
    'signals are not handled; call runtime.stop() before the process ends, or set handleSignals: true; else hubs stay subscribed',
  ),
  'shutdown.server-closed': warn<{ isWaiting: boolean }>(({ isWaiting }) =>
    isWaiting
      ? 'the given server closed before hubs verified the unsubscriptions; await runtime.stop() before you close the server'
      : 'the given server does not listen, so nothing is unsubscribed; await runtime.stop() before you close the server',
  ),
  'shutdown.hub-not-verified': warn<OnGrant & { expiresAt?: string; isServerGiven: boolean }>(
    ({ isServerGiven }) =>
      `hub did not verify the unsubscription in time; it may send content until its lease ends${
        isServerGiven ? '; await runtime.stop() before you close the server' : ''
      }`,
  ),
  'shutdown.handlers-running': warn('handlers are still running; the stop no longer waits for them'),
  'shutdown.listener-slow': warn('onShutdown or a shutdown listener is still running; the stop no longer waits for it'),
  'shutdown.step-failed': error<Failed & { step: string }>(({ step }) => `shutdown step failed; continuing: ${step}`),
  'shutdown.unsubscribe-not-stored': error<OnSubscription & Failed>('unsubscribe not stored; hub stays subscribed'),
  'runtime.stopped': info('stopped'),

  // The life of a subscription
  'subscription.requested': info<SubscriptionFields & { mode: string }>(({ mode }) => `sending ${mode} request`),
  'subscription.verified': info<SubscriptionFields>('hub verified the subscription'),
  'subscription.renewed': info<SubscriptionFields>('hub verified the renewal'),
  'subscription.unsubscribed': info<SubscriptionFields>('unsubscribed'),
  'subscription.expired': warn<SubscriptionFields>('lease expired; subscribing again'),
  'subscription.denied': warn<FailedAttempt>(({ detail }) => `hub denied the subscription: ${detail}`),
  'subscription.failed': warn<FailedAttempt>(({ detail }) => `attempt failed: ${detail}`),
  'subscription.hub-moved': info<SubscriptionFields>('hub changed; using the new one'),
  'subscription.topic-moved': info<SubscriptionFields>('topic URL changed; using the new one'),
  'subscription.callback-changed': warn<SubscriptionFields & { isOldAccepted: boolean }>(({ isOldAccepted }) =>
    isOldAccepted
      ? 'the callback URL changed; subscribing again, and accepting content at the old one until it is unsubscribed'
      : 'the callback URL changed; subscribing again; the hub may send to the old one until its lease ends',
  ),
  'subscription.unverified': warn<SubscriptionFields & { leaseSeconds: number }>(
    'hub accepted the subscription without calling the callback; check that it can reach the callback',
  ),
  'subscription.ended-by-handler': info<OnSubscription & OnEvent & Detail>(
    ({ detail }) => `handler ended the subscription: ${detail}`,
  ),
  'subscription.unreadable': error<Failed>('stored subscription unreadable; left unchanged'),
  'counters.unreadable': error<Failed>('stored counters unreadable; counting from zero'),
  'history.unreadable': warn<OnSubscription & Failed>('stored history unreadable; a new one begins'),
  'subscription.due-failed': error<OnSubscription & Failed & { retriedBy: 'timer' | 'sweep' }>(({ retriedBy }) =>
    retriedBy === 'timer' ? 'due work failed; retrying in 1 min' : 'due work failed; the next sweep retries',
  ),
  'task.failed': error<OnSubscription & Failed & { task: string }>(({ task }) => `background task failed: ${task}`),
  'discovery.warning': warn<OnSubscription & Detail & { target: string }>(({ detail }) => `discovery: ${detail}`),
  'discovery.ended': debug<Measured>('discovery ended'),
  'hub-request.ended': debug<Measured>('hub request ended'),
  'topic-fetch.ended': debug<Measured>('topic fetch ended'),
  'hub.rate-limited': warn<{ origin: string; until: string }>(
    'hub answered 429; subscribe requests to this origin wait',
  ),
  'hub.silent': warn<OnGrant & { missed: number }>(
    ({ missed }) => `hub did not deliver ${missed} ${missed === 1 ? 'entry' : 'entries'}; delivering from the poll`,
  ),
  'hub.all-silent': warn<SubscriptionFields>('no advertised hub delivers; entries come from polling'),
  'hub.error': warn<OnGrant & Detail>(({ detail }) => `hub reported an error: ${detail}`),
  'credentials.withheld': warn<Detail & { service: string; origin: string }>(
    ({ origin, detail }) =>
      `credentials and configured headers are not sent to ${origin}, because they are for ${detail} only; to send them there, configure that URL as hub or target`,
  ),
  'secret.not-used': warn<{ grant: string; hub: string; needsPermission: boolean }>(
    ({ needsPermission }) =>
      `hub uses plain HTTP, so content is not signed and anyone who knows the callback can send it; set secret: 'auto'${
        needsPermission ? ' and security.allowInsecureSecret' : ''
      } for signatures, or secret: false to accept this`,
  ),

  // Requests on callbacks
  'delivery.answered': debug<Measured>('delivery answered'),
  'verification.answered': debug<Measured>('verification answered'),
  'denial.answered': debug<Measured>('denial answered'),
  'hub-error.answered': debug<Measured>('hub error answered'),
  'callback.answered': debug<Measured>('callback request answered'),
  'callback.unknown': warn<{ method: string; path: string } & Throttled>(
    'unknown callback answered 404: its subscription was removed, is in another store, or a proxy changed the path',
  ),
  'callback.failed': error<Failed & { method: string | undefined }>('callback request failed; answered 503'),
  'answer.failed': error<Failed>('answer not sent; connection closed'),
  'verification.refused': warn<OnSubscription & Failed & { topic: string; mode: string }>(
    ({ mode }) => `handler refused the ${mode} verification`,
  ),
  'verification.not-stored': warn<OnSubscription & Failed>('verification answered but not stored; requesting again'),
  'denial.not-stored': warn<OnSubscription & Failed>('answered denial not stored'),
  'callback.wrong-topic': warn<OnGrant & Detail>(({ detail }) => `answered 404: ${detail}`),
  'callback.handler-failed': error<OnSubscription & Failed>('handler failed; the hub was answered 200'),
  'delivery.rejected': warn<OnGrant & Detail & Throttled & { problem: string }>(
    ({ detail }) => `content rejected: ${detail}`,
  ),
  'delivery.rejection-not-stored': error<OnSubscription & Failed>('rejected content not stored as lastError'),
  'delivery.refused': warn<OnGrant & Throttled & { reason: string }>(
    'content answered 503; fetching the topic and renewing when there is room',
  ),
  'delivery.missed-not-stored': error<OnSubscription & Failed>('refused content not recorded; retrying in 10 s'),
  'delivery.not-stored': error<OnSubscription & Failed & { eventId?: string }>('event not stored; answered 503'),
  'delivery.too-large': warn<OnSubscription & { maxBodyBytes: number }>(
    ({ maxBodyBytes }) => `content over ${maxBodyBytes} bytes answered 413; see security.maxBodyBytes`,
  ),
  'delivery.stalled': warn<OnSubscription & { bodyTimeoutMs: number }>(
    ({ bodyTimeoutMs }) => `content not received within ${bodyTimeoutMs} ms, answered 408; see security.bodyTimeoutMs`,
  ),
  'delivery.memory-limit': warn<OnSubscription>(
    'too many bytes in flight; slowest delivery answered 408; see security.maxInFlightBytes',
  ),
  'delivery.body-consumed': error<OnSubscription>(
    'body already read, so its signature cannot be checked; mount the runtime before any body parser, or keep the bytes as request.rawBody',
  ),
  'hub-activity.not-stored': error<OnSubscription & Failed>('hub activity not stored'),
  'connection.dropped': warn<{ maxConnections: number } & Throttled>(
    'connection closed: too many are open; see security.maxConnections',
  ),
  'connection.failed': error<Failed>('connection not accepted'),

  // Events and handlers
  'handler.failed': warn<OnGrant & OnEvent & Failed & { attempt: number }>('handler failed'),
  'handler.slow': warn<OnSubscription & OnEvent & Throttled & { service: string; ackAfterMs: number }>(
    ({ ackAfterMs }) => `handler still running after ${ackAfterMs} ms; event stored and hub answered 202`,
  ),
  'event.retry-scheduled': info<OnSubscription & OnEvent & { attempts: number; nextAttemptAt: string }>(
    'event stored for retry',
  ),
  'event.dead-lettered': error<
    OnSubscription & OnEvent & Detail & { service: string; attempts: number; cause: string }
  >(({ detail }) => `event became a dead letter: ${detail}`),
  'event.duplicate': debug<OnSubscription & OnEvent>('duplicate event dropped'),
  'event.service-missing': warn<OnEvent & { service: string }>('stored event waits: its service is not started'),
  'event.unreadable': error<Failed & { eventId?: string }>('stored event unreadable; left unchanged'),
  'event.read-failed': error<OnEvent & Failed>('stored event not read; retrying in 1 min'),
  'event.result-not-stored': error<OnEvent & Failed & { isStopping: boolean }>(({ isStopping }) =>
    isStopping
      ? 'handler result not stored; the event is delivered again at the next start'
      : 'handler result not stored; retrying in 1 min',
  ),
  'event.settle-failed': error<Failed>('handler result not processed'),
  'event.crash-suspects': warn<{ events: number }>(
    'the process ended while these events were handled; running them one at a time until they succeed',
  ),
  'dead-letter.replayed': info<OnEvent & { service: string }>('dead letter replayed'),
  'dead-letter.discarded': info<OnEvent & { service: string }>('dead letter discarded'),
  'dead-letter.removed': warn<OnEvent & Detail & { service: string }>(
    ({ detail }) => `dead letter removed: ${detail}; see delivery.deadLetters`,
  ),
  'dead-letter.unreadable': error<OnEvent & Failed>('dead letter unreadable; left unchanged'),
  'dead-letter.trim-failed': warn<Failed>('old dead letters not removed; the next sweep retries'),

  // Content that no hub sent
  'catch-up.found': info<CaughtUp>('catch-up found new entries'),
  'catch-up.nothing-new': debug<CaughtUp>('catch-up found nothing new'),
  'catch-up.delayed': info<OnSubscription & Failed & { topic: string; since: string }>(
    'catch-up could not fetch the topic; retrying later',
  ),
  'catch-up.failed': warn<OnSubscription & Failed & { topic: string; since: string }>(
    'catch-up gave up; events published since then may be missing',
  ),
  'poll.failed': warn<OnSubscription & Failed & { topic: string }>('poll failed; retrying later'),
  'poll.impossible': warn<OnSubscription & { topic: string }>(
    'topic is not an http or https URL, so it is not polled; remove delivery.pollSeconds, or unsubscribe',
  ),
  'topic.suspended': error<OnSubscription & { service: string; topic: string; crashes: number }>(
    'the process ended each time this topic was fetched; not fetching it before the next renewal; check the topic, then call runtime.renew(id)',
  ),

  // The log, the store, timers and hooks
  'log.dropped': warn<{ dropped: number }>('log lines dropped, because the output was not read in time'),
  'store.unusable': error<Detail & { store: string; refused: number }>(({ detail }) => `store unusable: ${detail}`),
  'store.usable': warn<{ store: string }>('store usable again'),
  'store.taken-over': fatal<Failed>('another process took over the store; stopping'),
  'store.error': warn<Detail & { store: string }>(({ detail }) => `store reported an error: ${detail}`),
  'store.eviction-unknown': warn<{ store: string }>(
    'Redis does not tell its eviction policy; make sure that maxmemory-policy is noeviction',
  ),
  'store.eviction': warn<{ store: string; policy: string; maxmemory: number }>(
    'Redis may delete keys that expire and refuses writes when its memory is full; set maxmemory-policy to noeviction',
  ),
  'sealing.completed': info<{ sealedWith: string; subscriptions: number; events: number; unreadable: number }>(
    'all stored records are sealed',
  ),
  'sealing.delayed': warn<Failed>('stored records not sealed yet; retrying in 1 min'),
  'sealing.failed': error<Failed>('sealing of stored records failed; the next start continues it'),
  'liveness.gap': warn<{ since: string }>(
    'the process did not run for a while (machine asleep, or event loop blocked); fetching what was missed',
  ),
  'liveness.not-stored': warn<Failed>('liveness heartbeat not stored; retrying in 1 min'),
  'liveness.unreadable': error<Failed>(
    'liveness heartbeat unreadable; events missed before this start are not fetched',
  ),
  'processed.not-stored': warn<Failed & Throttled>('processed entries not stored; a restart may deliver them again'),
  'processed.not-recorded': error<Failed>('processed entries not recorded; they may be delivered again'),
  'processed.unreadable': error<Failed>('processed entries unreadable; they may be delivered again'),
  'crash-markers.not-stored': warn<Failed>('crash markers not stored; a crash may be counted wrongly'),
  'crash-markers.unreadable': error<Failed>('crash markers unreadable; earlier crashes are not counted'),
  'sweep.failed': error<Failed & { sweep: string }>(
    ({ sweep }) => `periodic ${sweep} failed; it runs again at its next turn`,
  ),
  'timer.failed': error<Failed & { timer: string; key?: string | undefined }>('timer failed; later timers still run'),
  'hook.failed': error<Failed & { hook: string }>(({ hook }) => `listener of the hook ${hook} failed`),
};

/** The `event` field of a log line. */
export type LogEvent = keyof typeof LOG_EVENTS;

/** The fields of an event. */
export type LogFields<Event extends LogEvent> = Parameters<(typeof LOG_EVENTS)[Event]['message']>[0];

/** Writes the line of an event. `detail` becomes part of the message; all other fields are written after `event`. */
export function log<Event extends LogEvent>(
  logger: Logger,
  event: Event,
  ...[fields = {}]: object extends LogFields<Event> ? [fields?: object] : [fields: LogFields<Event>]
): void {
  writeLine(logger, event, LOG_EVENTS[event], fields);
}
