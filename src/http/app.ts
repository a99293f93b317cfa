import type { IncomingMessage, ServerResponse } from 'node:http';
import { NOT_FOUND, type CallbackAnswer } from './answer.js';
import type { CallbackMatch } from '../subscription/registry/registry.js';
import { readWebBody } from './body/read-body.js';
import type { CallbackRequest } from './callback-request.js';
import type { CallbackContext } from './callback-context.js';
import { answerCallback, matchCallback } from './callback.js';
import { Exchange, failedAnswer } from './exchange.js';
import { trySendAnswer } from './node-answer.js';
import { answerNode } from './node-request.js';
import { isForCallback } from './listen/is-for-callback.js';

/** The callbacks as handlers for a server or framework. */
export interface CallbackApp {
  /** Answers requests on callbacks, and any other request with 404. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Answers requests on callbacks. Passes any other request to `next`, or answers 404 without `next`. */
  readonly nodeHandler: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void;
  /** Whether a request on a shared server is ours to answer. */
  readonly isOurs: (method: string, target: string) => boolean;
}

/**
 * Creates the handlers. They never throw: a request that fails in our own code is answered 503.
 *
 * @param basePaths returns the paths before a callback's token. Unknown callbacks below them are ours to refuse. '' for
 *   none
 */
export function callbackApp(context: CallbackContext, basePaths: () => readonly string[]): CallbackApp {
  const { logger } = context;
  // An empty base path would claim every request of a shared server.
  const isBelowBasePath = (target: string): boolean =>
    basePaths().some((basePath) => basePath !== '' && target.startsWith(`${basePath}/`));
  /** Whether a request is ours if another application also answers requests. */
  const isOurs = (method: string, target: string, match: CallbackMatch | undefined): boolean =>
    isBelowBasePath(target) || (match !== undefined && isForCallback(method, target, match));
  return {
    isOurs(method, target) {
      try {
        return isOurs(method, target, matchCallback(context, target));
      } catch {
        // The handler meets the same error and answers 503.
        return true;
      }
    },
    async fetch(request) {
      const { method } = request;
      try {
        const { pathname, search } = new URL(request.url);
        const target = pathname + search;
        const match = matchCallback(context, target);
        const isForUs = match !== undefined || isBelowBasePath(target);
        return isForUs ? await answerWeb(context, request, target, match) : toResponse(NOT_FOUND, method);
      } catch (error) {
        return toResponse(failedAnswer(logger, error, method), method);
      }
    },
    nodeHandler(request, response, next) {
      let target: string;
      let match: CallbackMatch | undefined;
      let isForUs: boolean;
      try {
        ({ target, match } = targetOf(context, request));
        // Without `next`, the end of the path is enough: a proxy may have removed its beginning.
        isForUs =
          next === undefined
            ? match !== undefined || isBelowBasePath(target)
            : isOurs(request.method ?? '', target, match);
      } catch (error) {
        trySendAnswer(request, response, failedAnswer(logger, error, request.method), context.limits);
        return;
      }
      if (isForUs) answerNode(context, { request, response, target, match });
      else if (next === undefined) trySendAnswer(request, response, NOT_FOUND, context.limits);
      else next();
    },
  };
}

/**
 * The request target as sent, and its callback.
 *
 * Express and similar frameworks remove the mount path from `url` and keep the whole target in `originalUrl`. With a
 * wildcard as mount path, no part of the callback is left in `url`. Middleware may have rewritten `url`. Therefore
 * `url` counts if only `url` names a callback.
 */
function targetOf(
  context: CallbackContext,
  request: IncomingMessage,
): { readonly target: string; readonly match: CallbackMatch | undefined } {
  const { url = '' } = request;
  const original = 'originalUrl' in request ? request.originalUrl : undefined;
  const target = typeof original === 'string' ? original : url;
  const match = matchCallback(context, target);
  if (match !== undefined || target === url) return { target, match };
  const rewritten = matchCallback(context, url);
  return rewritten === undefined ? { target, match } : { target: url, match: rewritten };
}

async function answerWeb(
  context: CallbackContext,
  request: Request,
  target: string,
  match: CallbackMatch | undefined,
): Promise<Response> {
  const { method, headers } = request;
  const callbackRequest: CallbackRequest = {
    method,
    target,
    header: (name) => headers.get(name) ?? undefined,
    headers: () => () => [...headers],
    read: (limits, grantId, onChunk, onRead) =>
      void readWebBody(request, limits, grantId, onChunk).then(onRead, () => onRead({ problem: 'failed' })),
  };
  const answer = await new Promise<CallbackAnswer>((resolve) => {
    answerCallback(context, new Exchange(context.logger, callbackRequest, resolve), match);
  });
  // The caller sends the response, and nothing reports when it is sent.
  if (answer.onSent !== undefined) setImmediate(answer.onSent);
  return toResponse(answer, method);
}

function toResponse({ status, headers, body }: CallbackAnswer, method: string): Response {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) for (const each of [value].flat()) all.append(name, each);
  return new Response(method === 'HEAD' || body === '' ? null : body, { status, headers: all });
}
