import { validateHeaderName, validateHeaderValue } from 'node:http';
import { acknowledgementOf } from '../delivery/handler/acknowledgement.js';
import type { Acknowledgement } from '../delivery/handler/acknowledgement.js';
import { FORM_TYPE } from '../protocol/encoding/media-type.js';
import { REASON } from './answer-reasons.js';

/** Headers of an answer. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>;

/** The answer to a request on a callback. */
export interface CallbackAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: string;
  /** Whether to close the connection, because part of the request stays unread. */
  readonly close?: boolean;
  /** Called when the answer has left this process. */
  readonly onSent?: () => void;
}

/** Headers and fields that a service adds to an error answer. */
export interface ErrorAnswerDetails {
  readonly headers?: AnswerHeaders | undefined;
  readonly body?: Readonly<Record<string, string>> | undefined;
}

const COMMON_HEADERS: AnswerHeaders = { 'cache-control': 'no-store' };

/** Headers that a service must not set: they would make the answer a redirect, a cookie or a different message. */
const FORBIDDEN_HEADERS: ReadonlySet<string> = new Set([
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-security-policy',
  'content-type',
  'keep-alive',
  'location',
  'refresh',
  'set-cookie',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-content-type-options',
]);

/** A 202 without additions of the service. */
export const PLAIN_ACKNOWLEDGEMENT: CallbackAnswer = { status: 202, headers: COMMON_HEADERS, body: '' };

/** The confirmation of a verification. Its body is the challenge and nothing else (WebSub section 5.3.1). */
export function confirmation(challenge: string, headers: AnswerHeaders = {}): CallbackAnswer {
  return {
    status: 200,
    headers: {
      ...allowedHeaders(headers),
      ...COMMON_HEADERS,
      'content-type': 'text/plain; charset=utf-8',
      'content-security-policy': "default-src 'none'",
      'x-content-type-options': 'nosniff',
    },
    body: challenge,
  };
}

/** An acknowledgement with the additions of the service. */
export function acknowledgement(status: 200 | 202, extras: Acknowledgement | undefined): CallbackAnswer {
  if (extras === undefined)
    return status === 202 ? PLAIN_ACKNOWLEDGEMENT : { status, headers: COMMON_HEADERS, body: '' };
  const { headers = {}, body } = extras;
  if (body === undefined) return { status, headers: { ...allowedHeaders(headers), ...COMMON_HEADERS }, body: '' };
  return {
    status,
    headers: { ...allowedHeaders(headers), ...COMMON_HEADERS, 'content-type': FORM_TYPE },
    body: formBody(body),
  };
}

/** An error answer: `reason=…` and the fields of the service, form-encoded. */
export function errorAnswer(status: number, reason: string, details: ErrorAnswerDetails = {}): CallbackAnswer {
  // An untyped handler may have built the details, so they are validated.
  const { headers = {}, body = {} } = acknowledgementOf(details) ?? {};
  return {
    status,
    headers: { ...allowedHeaders(headers), ...COMMON_HEADERS, 'content-type': FORM_TYPE },
    body: formBody({ reason, ...body }),
  };
}

/** Fields as a form-encoded body, UTF-8. */
function formBody(fields: Readonly<Record<string, string>>): string {
  return new URLSearchParams(fields).toString();
}

/** The answer to requests for other paths: plain text, for a person who opens the port in a browser. */
export const NOT_FOUND: CallbackAnswer = {
  status: 404,
  headers: { ...COMMON_HEADERS, 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  body: 'Not found\n',
};

/** An error answer that closes the connection, because part of the request was not read. */
export function closingErrorAnswer(status: 408 | 413, reason: string): CallbackAnswer {
  return { ...errorAnswer(status, reason), close: true };
}

/** A 503 that asks the hub to retry. */
export function unavailable(reason: string, retryAfterSeconds: number): CallbackAnswer {
  return errorAnswer(503, reason, { headers: { 'retry-after': String(retryAfterSeconds) } });
}

/** The answer to a hub's GET if the handler or the store takes longer than a hub waits (PROTOCOL C9). */
export const TIMED_OUT: CallbackAnswer = unavailable(REASON.timedOut, 30);

/** The answer once a stop has closed the callbacks. The next process may run within two minutes. */
export const STOPPED: CallbackAnswer = unavailable(REASON.stopping, 120);

/** Drops forbidden and invalid headers, so that the hub still gets its answer. */
function allowedHeaders(headers: AnswerHeaders): AnswerHeaders {
  const valid: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (!FORBIDDEN_HEADERS.has(lower) && isValidHeader(lower, value)) valid[lower] = value;
  }
  return valid;
}

function isValidHeader(name: string, value: string | readonly string[]): boolean {
  try {
    validateHeaderName(name);
    return [value].flat().every((each) => {
      validateHeaderValue(name, each);
      return typeof each === 'string';
    });
  } catch {
    return false;
  }
}
