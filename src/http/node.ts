import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallbackMatch } from '../subscription/registry.js';
import { readNodeBody } from './body.js';
import type { CallbackAnswer } from './answer.js';
import { answerCallback, type CallbackOptions } from './callback.js';
import type { BodyLimits, CallbackRequest, HeaderPairs, OnChunk, OnRead } from './callback-request.js';
import { Exchange } from './exchange.js';
import { sendAnswer } from './node-answer.js';

/** A node request as callbacks see it. */
class NodeRequest implements CallbackRequest {
  readonly #request: IncomingMessage;

  constructor(request: IncomingMessage) {
    this.#request = request;
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get target(): string {
    return this.#request.url ?? '';
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === 'string' ? value : value?.toString();
  }

  headers(): () => HeaderPairs {
    // Not the request itself, which would be kept as long as the event.
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

/** Answers a node request on a callback; `match` is what its path stands for. Never throws. */
export function answerNode(
  options: CallbackOptions,
  request: IncomingMessage,
  response: ServerResponse,
  match: CallbackMatch | undefined,
): void {
  const send = (answer: CallbackAnswer): void => {
    try {
      if (!response.headersSent && !response.destroyed) sendAnswer(request, response, answer, options.limits);
    } catch (error) {
      options.logger.error({ err: error }, 'an answer could not be sent: the connection is closed');
      response.destroy();
    }
  };
  answerCallback(options, new Exchange(options.logger, new NodeRequest(request), send), match);
}
