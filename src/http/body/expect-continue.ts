import type { IncomingMessage, ServerResponse } from 'node:http';

/** Requests whose sender waits for `100 Continue` before it sends the body, and their responses. */
const waiting = new WeakMap<IncomingMessage, ServerResponse>();

/** Defers the 100 until the body is read. An early error answer is sent without a 100 (PROTOCOL C6). */
export function deferContinue(request: IncomingMessage, response: ServerResponse): void {
  waiting.set(request, response);
}

/** Sends the deferred 100, if there is one. */
export function sendContinue(request: IncomingMessage): void {
  const response = waiting.get(request);
  if (response === undefined) return;
  waiting.delete(request);
  response.writeContinue();
}
