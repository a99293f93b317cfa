import type { IncomingMessage, ServerResponse } from 'node:http';
import { readNodeBody } from './body.js';
import { answerCallback, type CallbackOptions } from './callback.js';
import type { CallbackRequest } from './callback-request.js';
import { sendAnswer } from './node-answer.js';

/** A node request as callbacks see it. */
function nodeRequest(request: IncomingMessage): CallbackRequest {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    header: (name) => request.headers[name]?.toString(),
    headers() {
      const { rawHeaders } = request;
      const pairs: [string, string][] = [];
      for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
        pairs.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
      }
      return pairs;
    },
    body: (limits, onChunk) => readNodeBody(request, limits, onChunk),
  };
}

/** Answers a node request on a callback. Never throws. */
export async function answerNode(
  options: CallbackOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const answer = await answerCallback(options, nodeRequest(request));
    if (!response.headersSent && !response.destroyed) sendAnswer(request, response, answer);
  } catch (error) {
    options.logger.error({ err: error }, 'an answer could not be sent: the connection is closed');
    response.destroy();
  }
}
