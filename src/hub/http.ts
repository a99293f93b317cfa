import type { $Fetch } from 'ofetch';
import type { Agent, Dispatcher } from 'undici';
import { onDemand } from '../on-demand.js';
import { version } from '../version.js';
import { guardedConnector } from './address-guard.js';

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
  const { Agent } = onDemand('undici');
  if (guarded) return (agents.guarded ??= new Agent({ connect: guardedConnector() }));
  return (agents.open ??= new Agent());
}

let outboundFetch: $Fetch | undefined;

function makeFetch(): $Fetch {
  // Node's built-in fetch belongs to another undici, which may refuse these dispatchers; the global typings are that one's.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const fetch = onDemand('undici').fetch as typeof globalThis.fetch;
  return onDemand('ofetch').createFetch({ fetch });
}

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
  try {
    outboundFetch ??= makeFetch();
    const response = await outboundFetch.raw<unknown, 'stream'>(url, {
      method: outbound.method,
      headers,
      body: outbound.body,
      signal: outbound.signal,
      dispatcher: outbound.dispatcher ?? agentFor(outbound.guarded),
      redirect: 'manual',
      responseType: 'stream',
      ignoreResponseError: true,
      retry: false,
    });
    return { status: response.status, headers: response.headers, body: response.body };
  } catch (error) {
    throw networkError(error);
  }
}

/** The error beneath ofetch's and fetch's own, which say no more than that something failed. */
function networkError(error: unknown): unknown {
  const wraps =
    error instanceof onDemand('ofetch').FetchError || (error instanceof TypeError && error.message === 'fetch failed');
  return wraps && error.cause !== undefined ? networkError(error.cause) : error;
}
