import type { IncomingMessage, ServerResponse } from 'node:http';
import { unavailable } from '../../http/answer.js';
import type { CallbackApp } from '../../http/app.js';
import { trySendAnswer } from '../../http/node-answer.js';
import { latch } from './latch.js';

type NodeHandler = CallbackApp['nodeHandler'];

/** The 503 for requests that waited for a start that failed. A restarted process may serve the retry. */
const NOT_STARTED = unavailable('the subscriber could not start', 120);

/** The request handler of the callbacks while the runtime starts. */
export interface StartupGate {
  readonly nodeHandler: NodeHandler;
  /** Lets verifications through. Called once the store is loaded. */
  allowVerifications(): void;
  /** Lets content through. Called once the services have started. */
  allowContent(): void;
  /**
   * Call it when the start fails. Answers waiting and later requests with 503. Resolves once the waiting requests have
   * their answer.
   */
  fail(): Promise<void>;
}

/**
 * Makes requests wait until they can be answered. The port must be open before the public URL is known, and a hub that
 * gets 404 meanwhile would end its subscription.
 */
export function startupGate(handler: NodeHandler): StartupGate {
  const [loaded, started] = [latch(), latch()];
  let hasFailed = false;
  const pass: NodeHandler = (request, response, next) => {
    if (hasFailed) trySendAnswer(request, response, NOT_STARTED);
    else handler(request, response, next);
  };
  return {
    allowVerifications: () => loaded.open(),
    allowContent: () => started.open(),
    async fail() {
      hasFailed = true;
      loaded.open();
      started.open();
      await Promise.all([loaded.opened, started.opened]);
    },
    nodeHandler(request: IncomingMessage, response: ServerResponse, next) {
      const latchForMethod = request.method === 'POST' ? started : loaded;
      if (latchForMethod.isOpen) pass(request, response, next);
      else void latchForMethod.opened.then(() => pass(request, response, next));
    },
  };
}
