import { isRecord } from '../../protocol/encoding/is-record.js';
import { listOf, oneOf, type Check } from '../../runtime/config/checks/field-checks.js';
import { FAULT_OPTIONS, redirectStatus } from '../faults/fault-checks.js';
import {
  bytes,
  functionCheck,
  isString,
  number,
  objectOf,
  retryAfter,
  status,
  text,
  checkThat,
} from './option-checks.js';
import type { WaitOptions } from '../conditions.js';
import type { ReverifyOptions } from '../delivery/reverification.js';
import type { TestHubOptions } from '../hub-parts.js';
import type { PublishOptions, TopicMove, TopicOptions } from '../topics/topic-options.js';

const TLS = { key: bytes, cert: bytes } satisfies Record<keyof NonNullable<TestHubOptions['tls']>, Check<unknown>>;

const port = checkThat(
  'a port from 0 to 65535',
  (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535,
);

/** Checks of the options of `TestHub.start()`. */
export const HUB_OPTIONS = {
  ...FAULT_OPTIONS,
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

/** Checks of the options of a topic. */
export const TOPIC_OPTIONS = {
  ...FAULT_OPTIONS,
  contentType: text,
  body: bytes,
  discovery: oneOf('link-header', 'html', 'xml', 'json-feed', 'none'),
  hubs: listOf(
    checkThat('a URL or a TestHub', (value) => isString(value) || isDistributor(value)),
    'a list of URLs and TestHubs',
  ),
  self: checkThat('a URL, or false', (value) => value === false || isString(value)),
  status,
  retryAfter,
  moved: objectOf(MOVE, { required: ['to'] }),
} satisfies Record<keyof TopicOptions, Check<unknown>>;

/** Checks of the options of `publish()` and `distribute()`. A header can have any name. */
export const PUBLISH_OPTIONS = {
  contentType: text,
  headers: checkThat('an object', isRecord),
} satisfies Record<keyof PublishOptions, Check<unknown>>;

/** Checks of the options of `hub.verify()`. */
export const REVERIFY_OPTIONS = {
  mode: oneOf('subscribe', 'unsubscribe'),
  leaseSeconds: number,
} satisfies Record<keyof ReverifyOptions, Check<unknown>>;

/** Checks of the options of functions that wait. */
export const WAIT_OPTIONS = { timeoutMs: number, what: text } satisfies Record<keyof WaitOptions, Check<unknown>>;
