import { flag, listOf, oneOf, type Check } from '../../runtime/config/checks/field-checks.js';
import {
  isNumber,
  isStatus,
  isString,
  number,
  objectOf,
  objectOr,
  retryAfter,
  status,
  text,
  checkThat,
} from '../checks/option-checks.js';
import type { HubDelays, HubFaults, VerifyModes } from './hub-faults.js';
import type {
  DenyOptions,
  RateLimit,
  RequestAcceptance,
  RequestDenial,
  RequestFailure,
  RequestLimits,
  RequestRedirect,
} from './request-faults.js';

const answerBody = checkThat('a string or a function', (value) => isString(value) || typeof value === 'function');

const verifyMode = oneOf('async', 'sync', 'never', 'unchecked', 'wrong-topic', 'wrong-mode', 'wrong-challenge');

const VERIFY_MODES = {
  subscriptions: verifyMode,
  unsubscriptions: verifyMode,
} satisfies Record<keyof VerifyModes, Check<unknown>>;

const DELAYS = {
  answer: number,
  verification: number,
  content: number,
  topic: number,
} satisfies Record<keyof HubDelays, Check<unknown>>;

const LIMITS = {
  only: oneOf('new', 'renewals', 'unsubscriptions', 'subscriptions'),
  times: number,
} satisfies Record<keyof RequestLimits, Check<unknown>>;

/** Checks of the options of a failure, including its status. */
export const FAILURE_OPTIONS = {
  ...LIMITS,
  status: checkThat("a status from 200 to 999, or 'reset'", (value) => value === 'reset' || isStatus(value)),
  retryAfter,
  body: answerBody,
  verifyFirst: flag,
} satisfies Record<keyof RequestFailure, Check<unknown>>;

const REDIRECT_STATUSES: ReadonlySet<unknown> = new Set([301, 302, 303, 307, 308]);

/** Checks a redirect status. */
export const redirectStatus = checkThat('301, 302, 303, 307 or 308', (value) => REDIRECT_STATUSES.has(value));

/** Checks of the options of a redirect, including its status and its target. */
export const REDIRECT_OPTIONS = {
  ...LIMITS,
  status: redirectStatus,
  to: text,
} satisfies Record<keyof RequestRedirect, Check<unknown>>;

/** Checks of the options of `deny()`. */
export const DENY_OPTIONS = { keep: flag } satisfies Record<keyof DenyOptions, Check<unknown>>;

const DENIAL_OPTIONS = {
  ...LIMITS,
  ...DENY_OPTIONS,
  reason: text,
  unlessConfirmed: flag,
  thenVerify: flag,
} satisfies Record<keyof RequestDenial, Check<unknown>>;

const ACCEPTANCE = { status, body: answerBody } satisfies Record<keyof RequestAcceptance, Check<unknown>>;

const RATE_LIMIT = { requests: number, perSeconds: number } satisfies Record<keyof RateLimit, Check<unknown>>;

const off = checkThat('an object, or false', (value) => value === false);

/** Checks a kind of message that can be held back. */
export const holdBackKind = oneOf('answer', 'verification', 'content', 'topic');

/** Checks of the faults of a hub or of a topic. */
export const FAULT_OPTIONS = {
  verify: objectOr(objectOf(VERIFY_MODES), verifyMode),
  verifyTimes: number,
  leaseSeconds: checkThat("a number of seconds, or 'perpetual'", (value) => value === 'perpetual' || isNumber(value)),
  announcedLease: checkThat(
    'a number, a string, or false',
    (value) => value === false || isNumber(value) || isString(value),
  ),
  requires: listOf(text, 'a list of parameter names'),
  accept: objectOf(ACCEPTANCE),
  rateLimit: objectOr(objectOf(RATE_LIMIT, { required: ['requests', 'perSeconds'] }), off),
  deny: objectOr(
    objectOf(DENIAL_OPTIONS),
    checkThat('an object, a reason, or false', (value) => value === false || isString(value)),
  ),
  fail: objectOr(objectOf(FAILURE_OPTIONS, { required: ['status'] }), off),
  redirect: objectOr(objectOf(REDIRECT_OPTIONS, { required: ['status', 'to'] }), off),
  secretFrom: oneOf('verification', 'request'),
  algorithm: oneOf('sha1', 'sha256', 'sha384', 'sha512'),
  signature: oneOf('valid', 'wrong', 'missing', 'malformed'),
  silent: flag,
  retries: number,
  dropOnFailure: flag,
  delayMs: objectOr(
    objectOf(DELAYS),
    checkThat('a number of milliseconds, or an object with one per kind of message', isNumber),
  ),
} satisfies Record<keyof HubFaults, Check<unknown>>;
