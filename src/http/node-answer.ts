import type { IncomingMessage, ServerResponse } from 'node:http';
import { PLAIN_ACKNOWLEDGEMENT, type CallbackAnswer } from './answer.js';

/** Milliseconds of silence after which a sender that was answered early is not waited for. */
const LINGER_IDLE_MS = 1_000;
/** Milliseconds a sender that was answered early may go on sending. */
const LINGER_MS = 30_000;

/** Bytes a sender that was answered early may go on sending. */
const LINGER_BYTES = 64 << 20;

/** Sends an answer through a node response. */
export function sendAnswer(request: IncomingMessage, response: ServerResponse, answer: CallbackAnswer): void {
  const headers = nodeHeaders(answer);
  if (answer.onSent !== undefined) response.once('finish', answer.onSent);
  if (answer.close === true && !request.complete) {
    sendAndLinger(request, response, answer, headers);
    return;
  }
  response.writeHead(answer.status, headers);
  response.end(answer.body);
}

/**
 * Closing the connection under a sender that is still sending would reset it, and the answer might never be read: what
 * still comes is dropped until the sender is done, falls silent, takes too long, or sends too much.
 */
function sendAndLinger(
  request: IncomingMessage,
  response: ServerResponse,
  { status, body }: CallbackAnswer,
  headers: Record<string, string | string[]>,
): void {
  response.writeHead(status, { ...headers, connection: 'close' });
  response.write(body);
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
    if (dropped > LINGER_BYTES) end();
    else idle.refresh();
  };
  const idle = setTimeout(end, LINGER_IDLE_MS);
  const last = setTimeout(end, LINGER_MS);
  request.on('data', onData).on('end', end).on('close', end).resume();
}

/** What nearly every delivery is answered with: not made anew each time. */
const PLAIN_HEADERS = madeHeaders(PLAIN_ACKNOWLEDGEMENT);

function nodeHeaders(answer: CallbackAnswer): Record<string, string | string[]> {
  return answer === PLAIN_ACKNOWLEDGEMENT ? PLAIN_HEADERS : madeHeaders(answer);
}

function madeHeaders({ headers, body }: CallbackAnswer): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = { 'content-length': String(Buffer.byteLength(body)) };
  for (const [name, value] of Object.entries(headers)) all[name] = typeof value === 'string' ? value : [...value];
  return all;
}
