import type { IncomingMessage, ServerResponse } from 'node:http';
import { PLAIN_ACKNOWLEDGEMENT, type CallbackAnswer } from './answer.js';

/** Milliseconds of silence after which the connection of an early answer is closed. */
const LINGER_IDLE_MS = 1_000;
/** Milliseconds after which the connection of an early answer is closed at the latest. */
const LINGER_MS = 30_000;

/** The maximum number of bytes to drop after an early answer. */
export interface DropLimit {
  readonly maxBodyBytes: number;
}

/** The default, for callers that do not know the runtime's limit. */
const DEFAULT_LIMIT: DropLimit = { maxBodyBytes: 10 * 1024 * 1024 };

/**
 * Sends an answer through a node response. An early answer, from the headers alone, closes the connection, unless the
 * body has arrived by the end of this tick (PROTOCOL C6).
 */
export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  answer: CallbackAnswer,
  limit: DropLimit = DEFAULT_LIMIT,
): void {
  if (answer.onSent !== undefined) response.once('finish', answer.onSent);
  if (request.complete || !hasBody(request)) send(response, answer);
  else if (answer.close === true) sendAndLinger(request, response, answer, limit);
  // Once node has parsed all received bytes, `complete` tells whether the body arrived with its head.
  else setImmediate(sendEarly, request, response, answer, limit);
}

/** Sends an answer if the response can still take one. Never throws: destroys a response that cannot be written. */
export function trySendAnswer(...[request, response, answer, limit]: Parameters<typeof sendAnswer>): void {
  // A write to a destroyed response emits an error without a listener.
  if (response.headersSent || response.destroyed) return;
  try {
    sendAnswer(request, response, answer, limit);
  } catch {
    response.destroy();
  }
}

function send(response: ServerResponse, answer: CallbackAnswer): void {
  response.writeHead(answer.status, nodeHeaders(answer));
  response.end(answer.body);
}

function sendEarly(request: IncomingMessage, response: ServerResponse, answer: CallbackAnswer, limit: DropLimit): void {
  if (response.headersSent || response.destroyed) return;
  try {
    if (request.complete) send(response, answer);
    else sendAndLinger(request, response, answer, limit);
  } catch {
    // No caller is left to report the error to.
    response.destroy();
  }
}

/** Whether a request has a body to drain. Not over HTTP/2: a request can end without its connection. */
function hasBody({ headers, httpVersionMajor }: IncomingMessage): boolean {
  if (httpVersionMajor > 1) return false;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Sends an early answer, and drops the remaining body until the sender is done, falls silent or takes too long. Reads
 * no more than the limit.
 *
 * Closing the connection at once would reset it, and the sender might never read the answer.
 */
function sendAndLinger(
  request: IncomingMessage,
  response: ServerResponse,
  answer: CallbackAnswer,
  { maxBodyBytes }: DropLimit,
): void {
  response.writeHead(answer.status, { ...nodeHeaders(answer), connection: 'close' });
  response.flushHeaders();
  response.write(answer.body);
  const end = (): void => {
    clearTimeout(idleTimer);
    clearTimeout(deadlineTimer);
    request.off('data', onData).off('end', end).off('close', end);
    // With `connection: close`, the end of the response closes the connection.
    response.end();
  };
  let dropped = 0;
  const onData = (chunk: Buffer): void => {
    dropped += chunk.length;
    // The sender still has LINGER_IDLE_MS to read the answer.
    if (dropped > maxBodyBytes) request.off('data', onData).pause();
    else idleTimer.refresh();
  };
  const idleTimer = setTimeout(end, LINGER_IDLE_MS);
  const deadlineTimer = setTimeout(end, LINGER_MS);
  request.on('data', onData).on('end', end).on('close', end).resume();
}

/** Built once: nearly every delivery gets this answer. */
const PLAIN_HEADERS = buildHeaders(PLAIN_ACKNOWLEDGEMENT);

function nodeHeaders(answer: CallbackAnswer): Record<string, string | string[]> {
  return answer === PLAIN_ACKNOWLEDGEMENT ? PLAIN_HEADERS : buildHeaders(answer);
}

function buildHeaders({ headers, body }: CallbackAnswer): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = { 'content-length': String(Buffer.byteLength(body)) };
  for (const [name, value] of Object.entries(headers)) all[name] = typeof value === 'string' ? value : [...value];
  return all;
}
