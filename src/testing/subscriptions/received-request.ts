import { buffer } from 'node:stream/consumers';
import { headersFrom } from '../header-record.js';
import type { IncomingMessage } from 'node:http';

/** A request the hub received, for itself or for one of its topics. */
export interface ReceivedRequest {
  readonly method: string;
  /** The path with its query, as sent. */
  readonly path: string;
  readonly headers: Headers;
  /** The raw bytes. */
  readonly body: Uint8Array;
  /** The body parsed as a form, regardless of its content type. Empty for a GET. */
  readonly form: URLSearchParams;
  readonly at: Date;
}

/** Reads a request to its end. Rejects when the client disconnects first. */
export async function readRequest(message: IncomingMessage, now: () => number): Promise<ReceivedRequest> {
  const at = new Date(now());
  const body = await buffer(message);
  return {
    method: message.method ?? '',
    path: message.url ?? '',
    headers: headersFrom(message.headersDistinct),
    body,
    form: new URLSearchParams(body.toString('utf8')),
    at,
  };
}
