import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallbackMatch } from '../subscription/registry/registry.js';
import { readNodeBody } from './body/read-body.js';
import type { CallbackAnswer } from './answer.js';
import type { CallbackContext } from './callback-context.js';
import { answerCallback } from './callback.js';
import type { BodyLimits, CallbackRequest, HeaderPairs, OnChunk, OnRead } from './callback-request.js';
import { Exchange } from './exchange.js';
import { sendAnswer } from './node-answer.js';
import { log } from '../log-events.js';

/** A node request as a callback request. */
class NodeRequest implements CallbackRequest {
  readonly target: string;
  readonly #request: IncomingMessage;

  constructor(request: IncomingMessage, target: string) {
    this.#request = request;
    this.target = target;
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === 'string' ? value : value?.toString();
  }

  headers(): () => HeaderPairs {
    // Captures `rawHeaders` only: a captured request would stay in memory as long as the event.
    const { rawHeaders } = this.#request;
    return () => pairsOf(rawHeaders);
  }

  read(limits: BodyLimits, grantId: string, onChunk: OnChunk, onRead: OnRead): void {
    readNodeBody(this.#request, limits, { grantId, onChunk, onRead });
  }
}

function pairsOf(rawHeaders: readonly string[]): HeaderPairs {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
  }
  return pairs;
}

/** A node request on a callback. */
export interface NodeExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Path and query, as sent. */
  readonly target: string;
  /** The match of the target; undefined if it names no callback. */
  readonly match: CallbackMatch | undefined;
}

/** Answers a node request on a callback. Never throws. */
export function answerNode(context: CallbackContext, { request, response, target, match }: NodeExchange): void {
  const send = (answer: CallbackAnswer): void => {
    try {
      if (!response.headersSent && !response.destroyed) sendAnswer(request, response, answer, context.limits);
    } catch (error) {
      log(context.logger, 'answer.failed', { err: error });
      response.destroy();
    }
  };
  answerCallback(context, new Exchange(context.logger, new NodeRequest(request, target), send), match);
}
