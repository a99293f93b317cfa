import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { NOT_FOUND } from '../answer.js';
import type { CallbackApp } from '../app.js';
import { deferContinue } from '../body/expect-continue.js';
import { trySendAnswer } from '../node-answer.js';

/**
 * Marks the `checkContinue` listeners of this package, also of another copy of it. If a listener exists, node does not
 * send `100 Continue` itself.
 */
const OWN_LISTENER = Symbol.for('websub-subscriber checkContinue');

/**
 * Answers our callbacks on the user's server. The server's listeners, also later ones, get all other requests.
 *
 * It intercepts `emit`: with a second request listener, both listeners would answer every request.
 *
 * @returns a function that restores the server
 */
export function attach(server: Server, app: CallbackApp): () => void {
  let isAttached = true;
  const previousEmit = Object.getOwnPropertyDescriptor(server, 'emit');
  const emit: unknown = Reflect.get(server, 'emit');
  const forward = (emitter: Server, values: unknown[]): boolean =>
    typeof emit === 'function' && Reflect.apply(emit, emitter, values) === true;
  const onContinue = (request: IncomingMessage, response: ServerResponse): void => {
    const listeners = server.listeners('checkContinue');
    // Replaces node's default, which our listener disables. Only the first of several runtimes does it.
    if (listeners[0] !== onContinue || !listeners.every((listener) => OWN_LISTENER in listener)) return;
    response.writeContinue();
    server.emit('request', request, response);
  };
  Object.defineProperty(onContinue, OWN_LISTENER, { value: true });
  function interceptEmit(this: Server, event: string | symbol, ...values: unknown[]): boolean {
    const [request, response] = values;
    // With our listener, node emits `checkContinue` in place of `request` if the sender expects a 100.
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
    // Other code may have wrapped `emit` since. Our wrapper then stays and only forwards.
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
