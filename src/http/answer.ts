import { validateHeaderName, validateHeaderValue } from 'node:http';
import { acknowledgementOf } from '../delivery/handler/acknowledgement.js';
import type { Acknowledgement } from '../delivery/handler/acknowledgement.js';
import { FORM_TYPE } from '../protocol/encoding/media-type.js';

/** Headers of an answer. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>;

/** What a hub is answered. */
export interface CallbackAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: string;
  /** Whether the rest of the request is known not to be read: the connection has to be closed then. */
  readonly close?: boolean;
  /** Called when it has left this process. */
  readonly onSent?: () => void;
}

/** What a service may add to a refusal. */
export interface RefusalDetails {
  readonly headers?: AnswerHeaders | undefined;
  readonly body?: Readonly<Record<string, string>> | undefined;
}

const COMMON_HEADERS: AnswerHeaders = { 'cache-control': 'no-store' };

/** Headers that would make the answer a redirect, a cookie or another message than it is. */
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

/** An acknowledgement to which the service adds nothing. */
export const PLAIN_ACKNOWLEDGEMENT: CallbackAnswer = { status: 202, headers: COMMON_HEADERS, body: '' };

/** The challenge, and nothing but the challenge (WebSub section 5.3.1). */
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

/** An acknowledgement with what the service adds to it. */
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

/** A refusal: `reason=…` and what the service adds, form-encoded. */
export function refusal(status: number, reason: string, details: RefusalDetails = {}): CallbackAnswer {
  // They may be those of an error that a handler without a compiler has made.
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

/** The answer to requests that concern no callback: plain text, for a person who opens the port in a browser. */
export const NOT_FOUND: CallbackAnswer = {
  status: 404,
  headers: { ...COMMON_HEADERS, 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  body: 'Not found\n',
};

/** A refusal after which the connection is of no more use: part of the request was not read. */
export function closingRefusal(status: 408 | 413, reason: string): CallbackAnswer {
  return { ...refusal(status, reason), close: true };
}

/** Not now: the hub is to come again. */
export function unavailable(reason: string, retryAfterSeconds: number): CallbackAnswer {
  return refusal(503, reason, { headers: { 'retry-after': String(retryAfterSeconds) } });
}

/** The answer to a hub's GET where the handler or the store takes longer than a hub waits (PROTOCOL C9). */
export const TIMED_OUT: CallbackAnswer = unavailable('the answer was not ready in time', 30);

/** What a hub is told that comes when the runtime has ended: the next one may be there in two minutes. */
export const STOPPED: CallbackAnswer = unavailable('the subscriber stops, or has stopped', 120);

/** What cannot be sent as a header is left out: it must not cost the hub its answer. */
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
