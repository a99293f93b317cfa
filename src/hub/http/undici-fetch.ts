import type { Dispatcher } from 'undici';
import { undiciModules } from './undici-modules.js';

type Fetch = typeof globalThis.fetch;

/**
 * A `fetch` for ofetch, built on `undici.request`: undici's own `fetch` adds browser headers and decodes bodies.
 *
 * This one sends the given headers and those that HTTP needs (`host`, `connection`, `content-length`). It follows no
 * redirect and decodes nothing.
 */
export function undiciFetch(dispatcher: Dispatcher): Fetch {
  return async (input, { method = 'GET', headers, body, signal } = {}) => {
    const { origin, pathname, search } = new URL(input instanceof Request ? input.url : input);
    const responding = undiciModules().request(dispatcher, {
      origin,
      path: pathname + search,
      method,
      headers: Object.fromEntries(new Headers(headers)),
      body: typeof body === 'string' ? body : null,
      signal: signal ?? null,
    });
    return toResponse(await rejectOnAbort(responding, signal ?? undefined));
  };
}

/** Rejects with the signal's reason at once: undici checks the signal only when it is connected. */
function rejectOnAbort<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    const removeListener = (): void => signal.removeEventListener('abort', abort);
    work.then(resolve, reject).finally(removeListener);
  });
}

/** Statuses without a body (RFC 9110 sections 6.4.1, 15.3.6). */
const BODYLESS_STATUSES: ReadonlySet<number> = new Set([204, 205, 304]);

function toResponse({ statusCode, headers, body }: Dispatcher.ResponseData<unknown>): Response {
  // The reader of a broken body gets the error. Without a reader, the error must not end the process.
  body.on('error', () => undefined);
  const isEmpty = BODYLESS_STATUSES.has(statusCode);
  if (isEmpty) body.resume();
  const response = new Response(isEmpty ? null : streamOf(body), { headers: headersOf(headers) });
  // Some servers answer with a status that the constructor refuses, such as 999.
  return Object.defineProperty(response, 'status', { value: statusCode });
}

/** The received headers, one character per byte. Values of the same name are joined by `, `. */
function headersOf(received: Dispatcher.ResponseData['headers']): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(received)) {
    for (const value of [values].flat()) headers.append(name, value);
  }
  return headers;
}

function streamOf(body: Dispatcher.ResponseData['body']): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<unknown> = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done === true) controller.close();
        else if (value instanceof Uint8Array) controller.enqueue(value);
      },
      cancel() {
        body.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}
