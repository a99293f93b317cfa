import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { NOTHING_HERE } from './answer.js';
import type { CallbackApp } from './app.js';
import { sendAnswer } from './node-answer.js';

/**
 * Answers our callbacks on a server that is somebody else's; its own listeners, also those added later, get everything
 * else. A request listener beside theirs would not do: each would answer every request.
 *
 * @returns a function that leaves the server as it was found
 */
export function attach(server: Server, app: CallbackApp): () => void {
  let attached = true;
  const had = Object.getOwnPropertyDescriptor(server, 'emit');
  const emit: unknown = Reflect.get(server, 'emit');
  const handOn = (to: Server, values: unknown[]): boolean =>
    typeof emit === 'function' && Reflect.apply(emit, to, values) === true;
  function ours(this: Server, event: string | symbol, ...values: unknown[]): boolean {
    const [request, response] = values;
    // Where somebody listens to it, checkContinue comes instead of a request that expects a 100 before its body.
    const isAsked = event === 'request' || event === 'checkContinue';
    if (!attached || !isAsked || !isRequest(request) || !isResponse(response)) return handOn(this, [event, ...values]);
    if (app.isOurs(request.method ?? '', request.url ?? '')) {
      if (event === 'checkContinue') response.writeContinue();
      app.nodeHandler(request, response);
    } else if (!handOn(this, [event, ...values])) {
      sendAnswer(request, response, NOTHING_HERE);
    }
    return true;
  }
  Object.defineProperty(server, 'emit', { value: ours, configurable: true, writable: true });
  return () => {
    attached = false;
    // Somebody may have wrapped it once more since: then it only hands on.
    if (Object.getOwnPropertyDescriptor(server, 'emit')?.value !== ours) return;
    Reflect.deleteProperty(server, 'emit');
    if (had !== undefined) Object.defineProperty(server, 'emit', had);
  };
}

function isRequest(value: unknown): value is IncomingMessage {
  return typeof value === 'object' && value !== null && 'url' in value && 'headers' in value;
}

function isResponse(value: unknown): value is ServerResponse {
  return typeof value === 'object' && value !== null && 'writeHead' in value;
}
