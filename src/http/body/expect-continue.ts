import type { IncomingMessage, ServerResponse } from 'node:http';

/** Requests whose sender waits for a 100 before it sends the body, and their responses. */
const waiting = new WeakMap<IncomingMessage, ServerResponse>();

/** Defers the 100 until the body is read, so that a refusal from the headers alone comes without one (PROTOCOL C6). */
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
