import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallbackAnswer } from './answer.js';
import { readNodeBody } from './body.js';
import { answerCallback, type CallbackOptions } from './callback.js';
import type { CallbackRequest } from './callback-request.js';

/** Milliseconds a sender gets to notice the answer, when we read its request no further. */
const LINGER_MS = 1_000;

/** A node request as callbacks see it. */
function nodeRequest(request: IncomingMessage): CallbackRequest {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    header(name) {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    headers() {
      const { rawHeaders } = request;
      const pairs: [string, string][] = [];
      for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
        pairs.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
      }
      return pairs;
    },
    body: (limits, onChunk) => readNodeBody(request, limits, onChunk),
  };
}

/** Answers a node request on a callback. Never throws. */
export async function answerNode(
  options: CallbackOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = await answerCallback(options, nodeRequest(request));
  if (response.headersSent || response.destroyed) return;
  response.writeHead(answer.status, nodeHeaders(answer));
  response.end(answer.body);
  if (answer.close !== true) return;
  // Closing at once would reset the connection, and the sender might never read the answer. What still comes is dropped.
  setTimeout(() => {
    if (!request.complete) request.destroy();
  }, LINGER_MS).unref();
}

function nodeHeaders({ headers, body }: CallbackAnswer): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = { 'content-length': String(Buffer.byteLength(body)) };
  for (const [name, value] of Object.entries(headers)) all[name] = typeof value === 'string' ? value : [...value];
  return all;
}
