import type { IncomingMessage, ServerResponse } from 'node:http';
import { H3 } from 'h3';
import { toNodeHandler } from 'h3/node';
import { refusal, type CallbackAnswer } from './answer.js';
import { readWebBody } from './body.js';
import { answerCallback, isKnownCallback, type CallbackOptions } from './callback.js';
import { answerNode } from './node.js';

/** What the runtime is mounted as. */
export interface CallbackApp {
  /** Answers any request: a callback's, else 404. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Answers a callback's request; any other is handed to `next`, or answered 404 without one. */
  readonly nodeHandler: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void;
  /** Whether a request target is ours to answer. */
  readonly isOurs: (target: string) => boolean;
}

/**
 * The callbacks as an application: on h3 for fetch and for everything that is not a callback, straight on node:http for
 * callbacks.
 *
 * @param basePath what callbacks of ours are expected under: below it an unknown path is ours to refuse
 */
export function callbackApp(options: CallbackOptions, basePath: string): CallbackApp {
  const app = new H3();
  app.all('/**', async ({ req }) => {
    const { pathname, search } = new URL(req.url);
    const target = pathname + search;
    if (!isOurs(target)) return toResponse(refusal(404, 'there is nothing here'), req.method);
    const answer = await answerCallback(options, {
      method: req.method,
      target,
      header: (name) => req.headers.get(name) ?? undefined,
      headers: () => [...req.headers],
      body: (limits, onChunk) => readWebBody(req, limits, onChunk),
    });
    return toResponse(answer, req.method);
  });
  const rest = toNodeHandler(app);
  const isOurs = (target: string): boolean =>
    target.startsWith(`${basePath}/`) || isKnownCallback(options, target);
  return {
    fetch: async (request) => app.fetch(request),
    isOurs,
    nodeHandler(request, response, next) {
      if (isOurs(request.url ?? '')) void answerNode(options, request, response);
      else if (next === undefined) void rest(request, response);
      else next();
    },
  };
}

function toResponse({ status, headers, body }: CallbackAnswer, method: string): Response {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) for (const each of [value].flat()) all.append(name, each);
  return new Response(method === 'HEAD' || body === '' ? null : body, { status, headers: all });
}
