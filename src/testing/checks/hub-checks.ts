import { isRecord } from '../../protocol/encoding/is-record.js';
import { listOf, oneOf, type Check } from '../../runtime/config/checks/field-checks.js';
import { FAULTS, redirectStatus } from '../faults/fault-checks.js';
import { bytes, functionCheck, isString, number, objectOf, retryAfter, status, text, thatIs } from './option-checks.js';
import type { WaitOptions } from '../conditions.js';
import type { ReverifyOptions } from '../delivery/reverification.js';
import type { TestHubOptions } from '../hub-parts.js';
import type { PublishOptions, TopicMove, TopicOptions } from '../topics/topic-options.js';

const TLS = { key: bytes, cert: bytes } satisfies Record<keyof NonNullable<TestHubOptions['tls']>, Check<unknown>>;

const port = thatIs(
  'a port from 0 to 65535',
  (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535,
);

/** The options of `TestHub.start()`. */
export const HUB = {
  ...FAULTS,
  port,
  hostname: text,
  tls: objectOf(TLS, { required: ['key', 'cert'] }),
  ca: bytes,
  protocol: oneOf('websub', 'pubsubhubbub-0.3'),
  timeoutMs: number,
  now: functionCheck,
} satisfies Record<keyof TestHubOptions, Check<unknown>>;

const MOVE = { to: text, status: redirectStatus } satisfies Record<keyof TopicMove, Check<unknown>>;

const isDistributor = (value: unknown): boolean =>
  isRecord(value) && isString(value['url']) && typeof value['distribute'] === 'function';

/** The options of a topic. */
export const TOPIC = {
  ...FAULTS,
  contentType: text,
  body: bytes,
  discovery: oneOf('link-header', 'html', 'xml', 'json-feed', 'none'),
  hubs: listOf(
    thatIs('a URL or a TestHub', (value) => isString(value) || isDistributor(value)),
    'a list of URLs and TestHubs',
  ),
  self: thatIs('a URL, or false', (value) => value === false || isString(value)),
  status,
  retryAfter,
  moved: objectOf(MOVE, { required: ['to'] }),
} satisfies Record<keyof TopicOptions, Check<unknown>>;

/** The options of `publish()` and `distribute()`. Headers may have any name. */
export const PUBLISH = {
  contentType: text,
  headers: thatIs('an object', isRecord),
} satisfies Record<keyof PublishOptions, Check<unknown>>;

/** The options of `hub.verify()`. */
export const REVERIFY = {
  mode: oneOf('subscribe', 'unsubscribe'),
  leaseSeconds: number,
} satisfies Record<keyof ReverifyOptions, Check<unknown>>;

/** The options of calls that wait. */
export const WAIT = { timeoutMs: number, what: text } satisfies Record<keyof WaitOptions, Check<unknown>>;
