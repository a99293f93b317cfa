import type { IncomingMessage, ServerResponse } from 'node:http';

/** Requests whose sender waits for a 100 before it sends the body, with the response that can say so. */
const waiting = new WeakMap<IncomingMessage, ServerResponse>();

/** Leaves it to the reading of the body to send the 100: whoever is refused from the headers alone gets none (PROTOCOL C6). */
export function deferContinue(request: IncomingMessage, response: ServerResponse): void {
  waiting.set(request, response);
}

/** Tells the sender to go on, where that was left to us. */
export function sendContinue(request: IncomingMessage): void {
  const response = waiting.get(request);
  if (response === undefined) return;
  waiting.delete(request);
  response.writeContinue();
}
