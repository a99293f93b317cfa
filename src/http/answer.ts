import type { Acknowledgement } from '../delivery/event-handler.js';
import { FORM_TYPE, formBody } from '../protocol/form-body.js';

/** Headers of an answer. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>;

/** What a hub is answered. */
export interface CallbackAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: string;
  /** Whether the rest of the request is not read: the connection has to be closed then. */
  readonly close?: boolean;
}

/** What a service may add to a refusal. */
export interface RefusalDetails {
  readonly headers?: AnswerHeaders | undefined;
  readonly body?: Readonly<Record<string, string>> | undefined;
}

const ALWAYS: AnswerHeaders = { 'cache-control': 'no-store' };

/** Headers that would make the answer a redirect, a cookie or another message than it is. */
const NEVER: ReadonlySet<string> = new Set([
  'location',
  'set-cookie',
  'connection',
  'content-length',
  'content-type',
  'transfer-encoding',
  'cache-control',
]);

const PLAIN_ACKNOWLEDGEMENT: CallbackAnswer = { status: 202, headers: ALWAYS, body: '' };

/** The challenge, and nothing but the challenge (WebSub section 5.3.1). */
export function confirmation(challenge: string, headers: AnswerHeaders = {}): CallbackAnswer {
  return {
    status: 200,
    headers: {
      ...added(headers),
      ...ALWAYS,
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
    },
    body: challenge,
  };
}

/** An acknowledgement with what the service adds to it. */
export function acknowledgement(status: 200 | 202, given: Acknowledgement | undefined): CallbackAnswer {
  if (given === undefined) return status === 202 ? PLAIN_ACKNOWLEDGEMENT : { status, headers: ALWAYS, body: '' };
  const { headers = {}, body } = given;
  if (body === undefined) return { status, headers: { ...added(headers), ...ALWAYS }, body: '' };
  return { status, headers: { ...added(headers), ...ALWAYS, 'content-type': FORM_TYPE }, body: formBody(body) };
}

/** A refusal: `reason=…` and what the service adds, form-encoded. */
export function refusal(status: number, reason: string, { headers = {}, body = {} }: RefusalDetails = {}): CallbackAnswer {
  return {
    status,
    headers: { ...added(headers), ...ALWAYS, 'content-type': FORM_TYPE },
    body: formBody({ reason, ...body }),
  };
}

/** A refusal after which the connection is of no more use: part of the request was not read. */
export function closingRefusal(status: 408 | 413, reason: string): CallbackAnswer {
  return { ...refusal(status, reason), close: true };
}

/** Not now: the hub is to come again. */
export function unavailable(reason: string, retryAfterSeconds: number): CallbackAnswer {
  return refusal(503, reason, { headers: { 'retry-after': String(retryAfterSeconds) } });
}

function added(headers: AnswerHeaders): AnswerHeaders {
  const valid: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (NEVER.has(lower)) continue;
    try {
      for (const each of [value].flat()) new Headers().append(lower, each);
    } catch {
      // What cannot be sent as a header must not cost the hub its answer.
      continue;
    }
    valid[lower] = value;
  }
  return valid;
}
