import type { IncomingMessage, ServerResponse } from 'node:http';
import type { H3 } from 'h3';
import type { NodeHandler } from 'h3/node';
import { onDemand } from '../on-demand.js';
import { NOTHING_HERE, type CallbackAnswer } from './answer.js';
import type { CallbackMatch } from '../subscription/registry.js';
import { readWebBody } from './body.js';
import type { CallbackRequest } from './callback-request.js';
import { answerCallback, matchCallback, type CallbackOptions } from './callback.js';
import { Exchange } from './exchange.js';
import { answerNode } from './node.js';
import { isForCallback } from './own-requests.js';

/** What the runtime is mounted as. */
export interface CallbackApp {
  /** Answers any request: a callback's, else 404. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Answers a callback's request; any other is handed to `next`, or answered 404 without one. */
  readonly nodeHandler: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void;
  /** Whether a request is ours to answer, where others answer requests as well. */
  readonly isOurs: (method: string, target: string) => boolean;
}

/**
 * The callbacks as an application: h3 has what is not a callback. Callbacks go straight to their answer, as h3 would refuse
 * odd paths before we see them.
 *
 * @param basePaths what callbacks of ours are expected under: below it an unknown path is ours to refuse; '' for none
 */
export function callbackApp(options: CallbackOptions, basePaths: () => readonly string[]): CallbackApp {
  const rest = restApp();
  // Without a base path everything would be ours, and nothing be left for whoever shares the server.
  const isBelow = (target: string): boolean =>
    basePaths().some((basePath) => basePath !== '' && target.startsWith(`${basePath}/`));
  const isOurs = (method: string, target: string): boolean =>
    isBelow(target) || isForCallback(options.registry, method, target);
  return {
    isOurs,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const target = pathname + search;
      const match = matchCallback(options, target);
      const isForUs = match !== undefined || isBelow(target);
      return isForUs ? answerWeb(options, request, target, match) : rest().app.fetch(request);
    },
    nodeHandler(request, response, next) {
      const { method = '', url = '' } = request;
      const match = matchCallback(options, url);
      // Where nobody else could answer, a proxy may have left nothing of the callback but its end.
      const isForUs =
        next === undefined
          ? match !== undefined || isBelow(url)
          : isOurs(method, url) || isForCallback(options.registry, method, whole(request));
      if (isForUs) answerNode(options, request, response, match);
      else if (next === undefined) void answerRest(rest, request, response);
      else next();
    },
  };
}

interface Rest {
  readonly app: H3;
  readonly nodeHandler: NodeHandler;
}

/** What answers whatever is not a callback; made when something first asks for that, which hubs do not. */
function restApp(): () => Rest {
  let made: Rest | undefined;
  return () => (made ??= makeRest());
}

function makeRest(): Rest {
  const { H3 } = onDemand('h3');
  const app = new H3();
  app.all('/**', ({ req }) => toResponse(NOTHING_HERE, req.method));
  return { app, nodeHandler: onDemand('h3/node').toNodeHandler(app) };
}

/** Answers what is no callback. h3 makes a URL of the `Host` header, and throws where that is none. Never rejects. */
async function answerRest(rest: () => Rest, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await rest().nodeHandler(request, response);
  } catch {
    if (response.headersSent) response.destroy();
    else response.writeHead(400, { 'Content-Length': 0, Connection: 'close' }).end();
  }
}

/** A request target before a framework took the path off that we are mounted at. */
function whole(request: IncomingMessage): string {
  const given = 'originalUrl' in request ? request.originalUrl : undefined;
  return typeof given === 'string' ? given : (request.url ?? '');
}

async function answerWeb(
  options: CallbackOptions,
  request: Request,
  target: string,
  match: CallbackMatch | undefined,
): Promise<Response> {
  const { method, headers } = request;
  const asked: CallbackRequest = {
    method,
    target,
    header: (name) => headers.get(name) ?? undefined,
    headers: () => () => [...headers],
    read: (limits, grantId, onChunk, onRead) => void readWebBody(request, limits, grantId, onChunk).then(onRead),
  };
  const answer = await new Promise<CallbackAnswer>((resolve) => {
    answerCallback(options, new Exchange(options.logger, asked, resolve), match);
  });
  // Whoever has the response sends it; of that nothing is heard.
  if (answer.onSent !== undefined) setImmediate(answer.onSent);
  return toResponse(answer, method);
}

function toResponse({ status, headers, body }: CallbackAnswer, method: string): Response {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) for (const each of [value].flat()) all.append(name, each);
  return new Response(method === 'HEAD' || body === '' ? null : body, { status, headers: all });
}
