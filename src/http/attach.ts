import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { refusal } from './answer.js';
import type { CallbackApp } from './app.js';

/**
 * Answers our callbacks on a server that is somebody else's; its own listeners, also those added later, get everything
 * else. A request listener beside theirs would not do: each would answer every request.
 *
 * @returns a function that leaves the server as it was found
 */
export function attach(server: Server, app: CallbackApp): () => void {
  let attached = true;
  const had = Object.getOwnPropertyDescriptor(server, 'emit');
  const emit: unknown = server.emit;
  const handOn = (to: Server, values: unknown[]): boolean =>
    typeof emit === 'function' && Reflect.apply(emit, to, values) === true;
  function ours(this: Server, event: string | symbol, ...values: unknown[]): boolean {
    const [request, response] = values;
    if (!attached || event !== 'request' || !isRequest(request) || !isResponse(response)) {
      return handOn(this, [event, ...values]);
    }
    if (app.isOurs(request.url ?? '')) app.nodeHandler(request, response);
    else if (!handOn(this, [event, ...values])) notFound(response);
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

function notFound(response: ServerResponse): void {
  const { status, headers, body } = refusal(404, 'there is nothing here');
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.writeHead(status).end(body);
}

function isRequest(value: unknown): value is IncomingMessage {
  return typeof value === 'object' && value !== null && 'url' in value && 'headers' in value;
}

function isResponse(value: unknown): value is ServerResponse {
  return typeof value === 'object' && value !== null && 'writeHead' in value;
}
