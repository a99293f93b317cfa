import type { Agent, Dispatcher } from 'undici';
import { onDemand } from '../../on-demand.js';
import { contentCodings, decodeChunks } from '../../protocol/encoding/content-encoding.js';
import { UndecodableError } from '../../protocol/encoding/inflate.js';
import { version } from '../../version.js';
import { guardedConnector } from '../guard/address-guard.js';
import { undiciFetch } from './undici-fetch.js';
import { undiciModules } from './undici-modules.js';

/** One request to a hub or a publisher. */
export interface OutboundRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Headers | Record<string, string>;
  readonly body?: string;
  readonly signal?: AbortSignal;
  /** The user's dispatcher, used unchanged. `guarded` then has no effect. */
  readonly dispatcher?: Dispatcher;
  /** Refuse to connect to addresses that are not public. */
  readonly guarded: boolean;
}

/** An answer of any status. A caller that does not read the body to its end must cancel it. */
export interface OutboundResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Decoded by its `Content-Encoding`. */
  readonly body: ReadableStream<Uint8Array> | null;
}

const agents: { open?: Agent; guarded?: Agent } = {};

function agentFor(guarded: boolean): Agent {
  const { Agent } = undiciModules();
  if (guarded) return (agents.guarded ??= new Agent({ connect: guardedConnector() }));
  return (agents.open ??= new Agent());
}

/** The codings that `decodedBody` decodes. Only GETs send this header: a hub's answer to a POST is short. */
const ACCEPT_ENCODING = 'gzip, deflate, br';

/**
 * Sends one request. Follows no redirect, and no status is an error.
 *
 * @throws AddressError if `guarded` and the host has an address that is not public
 * @throws the signal's reason if aborted, else the network error
 */
export async function send(url: string, outbound: OutboundRequest): Promise<OutboundResponse> {
  const headers = new Headers(outbound.headers);
  if (!headers.has('user-agent')) headers.set('user-agent', `websub-subscriber/${version}`);
  // Without this header, ofetch would send `Accept: application/json` with a text body.
  if (!headers.has('accept')) headers.set('accept', '*/*');
  if (outbound.method === 'GET' && !headers.has('accept-encoding')) headers.set('accept-encoding', ACCEPT_ENCODING);
  try {
    const fetch = undiciFetch(outbound.dispatcher ?? agentFor(outbound.guarded));
    const response = await onDemand('ofetch').createFetch({ fetch }).raw<unknown, 'stream'>(url, {
      method: outbound.method,
      headers,
      body: outbound.body,
      signal: outbound.signal,
      responseType: 'stream',
      ignoreResponseError: true,
      retry: false,
    });
    const { status, headers: responseHeaders, body } = response;
    const codings = contentCodings(responseHeaders.get('content-encoding') ?? undefined);
    return { status, headers: responseHeaders, body: body && decodedBody(body, codings) };
  } catch (error) {
    throw unwrapFetchError(error);
  }
}

/** The cause of ofetch's error: the error itself only says that a fetch failed. */
function unwrapFetchError(error: unknown): unknown {
  return error instanceof onDemand('ofetch').FetchError && error.cause !== undefined ? error.cause : error;
}

/** Maximum size of a body between two codings, in bytes. */
const MAX_INTERMEDIATE_BYTES = 64 * 1024 * 1024;

/** The body with its `Content-Encoding` undone, decoded as it is read. Reading fails if the body cannot be decoded. */
function decodedBody(body: ReadableStream<Uint8Array>, codings: readonly string[]): ReadableStream<Uint8Array> {
  if (codings.length === 0) return body;
  const reader = body.getReader();
  const chunks = decodeChunks(chunksOf(reader), codings, MAX_INTERMEDIATE_BYTES)[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let isEnded = true;
        try {
          const { done, value } = await chunks.next();
          isEnded = done === true;
          if (done === true) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          throw withCodingNames(error, codings);
        } finally {
          // Nobody reads the remaining bytes.
          if (isEnded) reader.cancel().catch(() => undefined);
        }
      },
      async cancel(reason) {
        // The transfer ends first: the decoder may be waiting for it.
        await reader.cancel(reason);
        await chunks.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

async function* chunksOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) yield chunk.value;
}

function withCodingNames(error: unknown, codings: readonly string[]): unknown {
  if (!(error instanceof UndecodableError)) return error;
  const names = JSON.stringify(codings.join(', ').slice(0, 100));
  return new UndecodableError(`Content-Encoding ${names} cannot be decoded: ${error.message}`, { cause: error });
}
