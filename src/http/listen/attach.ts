import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { NOT_FOUND } from '../answer.js';
import type { CallbackApp } from '../app.js';
import { deferContinue } from '../body/expect-continue.js';
import { trySendAnswer } from '../node-answer.js';

/** Marks our own listeners, also those of another copy of this package: with one, node leaves it to listeners to send a 100. */
const OWN_LISTENER = Symbol.for('websub-subscriber checkContinue');

/**
 * Answers our callbacks on a server that is somebody else's; its own listeners, also those added later, get everything
 * else. A request listener beside theirs would not do: each would answer every request.
 *
 * @returns a function that leaves the server as it was found
 */
export function attach(server: Server, app: CallbackApp): () => void {
  let isAttached = true;
  const previousEmit = Object.getOwnPropertyDescriptor(server, 'emit');
  const emit: unknown = Reflect.get(server, 'emit');
  const forward = (to: Server, values: unknown[]): boolean =>
    typeof emit === 'function' && Reflect.apply(emit, to, values) === true;
  const onContinue = (request: IncomingMessage, response: ServerResponse): void => {
    const listeners = server.listeners('checkContinue');
    // Node does this by itself where nobody listens. The first of several runtimes does it here.
    if (listeners[0] !== onContinue || !listeners.every((listener) => OWN_LISTENER in listener)) return;
    response.writeContinue();
    server.emit('request', request, response);
  };
  Object.defineProperty(onContinue, OWN_LISTENER, { value: true });
  function interceptEmit(this: Server, event: string | symbol, ...values: unknown[]): boolean {
    const [request, response] = values;
    // As somebody listens to it, checkContinue comes instead of a request that expects a 100 before its body.
    const isRequestEvent = event === 'request' || event === 'checkContinue';
    if (!isAttached || !isRequestEvent || !isRequest(request) || !isResponse(response))
      return forward(this, [event, ...values]);
    if (app.isOurs(request.method ?? '', request.url ?? '')) {
      if (event === 'checkContinue') deferContinue(request, response);
      app.nodeHandler(request, response);
    } else if (!forward(this, [event, ...values])) {
      trySendAnswer(request, response, NOT_FOUND);
    }
    return true;
  }
  Object.defineProperty(server, 'emit', { value: interceptEmit, configurable: true, writable: true });
  server.on('checkContinue', onContinue);
  return () => {
    isAttached = false;
    server.off('checkContinue', onContinue);
    // Somebody may have wrapped it once more since: then it only hands on.
    if (Object.getOwnPropertyDescriptor(server, 'emit')?.value !== interceptEmit) return;
    Reflect.deleteProperty(server, 'emit');
    if (previousEmit !== undefined) Object.defineProperty(server, 'emit', previousEmit);
  };
}

function isRequest(value: unknown): value is IncomingMessage {
  return typeof value === 'object' && value !== null && 'url' in value && 'headers' in value;
}

function isResponse(value: unknown): value is ServerResponse {
  return typeof value === 'object' && value !== null && 'writeHead' in value;
}
