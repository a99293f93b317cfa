import type { Agent, Dispatcher } from 'undici';
import { onDemand } from '../../on-demand.js';
import { contentCodings } from '../../protocol/encoding/content-encoding.js';
import { version } from '../../version.js';
import { guardedConnector } from '../guard/address-guard.js';
import { decodedBody } from './decoded-body.js';
import { plainFetch } from './plain-fetch.js';
import { undiciParts } from './undici-parts.js';

/** One request to a hub or a publisher. */
export interface OutboundRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Headers | Record<string, string>;
  readonly body?: string;
  readonly signal?: AbortSignal;
  /** The user's own dispatcher, used as it is: `guarded` is then without effect. */
  readonly dispatcher?: Dispatcher;
  /** Refuse addresses that are not public, when connecting. */
  readonly guarded: boolean;
}

/** What came back, whatever its status; whoever does not read the body to its end cancels it. */
export interface OutboundResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Decoded by its `Content-Encoding`. */
  readonly body: ReadableStream<Uint8Array> | null;
}

const agents: { open?: Agent; guarded?: Agent } = {};

function agentFor(guarded: boolean): Agent {
  const { Agent } = undiciParts();
  if (guarded) return (agents.guarded ??= new Agent({ connect: guardedConnector() }));
  return (agents.open ??= new Agent());
}

/** The codings that `decodedBody` decodes. Only GETs ask for them: a hub's answer to a POST is short. */
const DECODABLE = 'gzip, deflate, br';

/**
 * Sends one request: no redirect is followed and no status is an error.
 *
 * @throws AddressError when `guarded` and the host has an address that is not public; the signal's reason when aborted;
 *   else the network's own error.
 */
export async function send(url: string, outbound: OutboundRequest): Promise<OutboundResponse> {
  const headers = new Headers(outbound.headers);
  if (!headers.has('user-agent')) headers.set('user-agent', `websub-subscriber/${version}`);
  // ofetch would ask for JSON in the answer to a text body.
  if (!headers.has('accept')) headers.set('accept', '*/*');
  if (outbound.method === 'GET' && !headers.has('accept-encoding')) headers.set('accept-encoding', DECODABLE);
  try {
    const fetch = plainFetch(outbound.dispatcher ?? agentFor(outbound.guarded));
    const response = await onDemand('ofetch').createFetch({ fetch }).raw<unknown, 'stream'>(url, {
      method: outbound.method,
      headers,
      body: outbound.body,
      signal: outbound.signal,
      responseType: 'stream',
      ignoreResponseError: true,
      retry: false,
    });
    const { status, headers: received, body } = response;
    const codings = contentCodings(received.get('content-encoding') ?? undefined);
    return { status, headers: received, body: body && decodedBody(body, codings) };
  } catch (error) {
    throw networkError(error);
  }
}

/** The error beneath ofetch's own, which says no more than that something failed. */
function networkError(error: unknown): unknown {
  return error instanceof onDemand('ofetch').FetchError && error.cause !== undefined ? error.cause : error;
}
