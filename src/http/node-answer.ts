import type { IncomingMessage, ServerResponse } from 'node:http';
import { PLAIN_ACKNOWLEDGEMENT, type CallbackAnswer } from './answer.js';

/** Milliseconds of silence after which a sender that was answered early is not waited for. */
const LINGER_IDLE_MS = 1_000;
/** Milliseconds a sender that was answered early may go on sending. */
const LINGER_MS = 30_000;

/** How much of a body is dropped whose sender was answered early. */
export interface DropLimit {
  readonly maxBodyBytes: number;
}

/** The default, for callers that do not know the runtime's limit. */
const DEFAULT_LIMIT: DropLimit = { maxBodyBytes: 10 * 1024 * 1024 };

/**
 * Sends an answer through a node response. One given from the headers alone ends the connection, unless the body has come by
 * the end of this turn (PROTOCOL C6).
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
  // Whether the body came with its head is known when all that was received has been looked at.
  else setImmediate(sendEarly, request, response, answer, limit);
}

/** Sends an answer if the response still takes one. Never throws: a response that cannot be written is destroyed. */
export function trySendAnswer(...[request, response, answer, limit]: Parameters<typeof sendAnswer>): void {
  // A write to a destroyed response emits an error that nobody listens to.
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
    // Nobody is left who could be told.
    response.destroy();
  }
}

/** Whether a request has a body. Over HTTP/2 a request may be ended without its connection. */
function hasBody({ headers, httpVersionMajor }: IncomingMessage): boolean {
  if (httpVersionMajor > 1) return false;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Closing the connection under a sender that is still sending would reset it, and the answer might never be read: what
 * still comes is dropped until the sender is done, falls silent, or takes too long. Past the limit nothing more is read.
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
    clearTimeout(idle);
    clearTimeout(last);
    request.off('data', onData).off('end', end).off('close', end);
    // Only this closes the connection.
    response.end();
  };
  let dropped = 0;
  const onData = (chunk: Buffer): void => {
    dropped += chunk.length;
    // The sender has the second of silence to read the answer.
    if (dropped > maxBodyBytes) request.off('data', onData).pause();
    else idle.refresh();
  };
  const idle = setTimeout(end, LINGER_IDLE_MS);
  const last = setTimeout(end, LINGER_MS);
  request.on('data', onData).on('end', end).on('close', end).resume();
}

/** What nearly every delivery is answered with: not made anew each time. */
const PLAIN_HEADERS = buildHeaders(PLAIN_ACKNOWLEDGEMENT);

function nodeHeaders(answer: CallbackAnswer): Record<string, string | string[]> {
  return answer === PLAIN_ACKNOWLEDGEMENT ? PLAIN_HEADERS : buildHeaders(answer);
}

function buildHeaders({ headers, body }: CallbackAnswer): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = { 'content-length': String(Buffer.byteLength(body)) };
  for (const [name, value] of Object.entries(headers)) all[name] = typeof value === 'string' ? value : [...value];
  return all;
}
