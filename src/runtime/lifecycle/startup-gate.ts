import type { IncomingMessage, ServerResponse } from 'node:http';
import { unavailable } from '../../http/answer.js';
import type { CallbackApp } from '../../http/app.js';
import { trySendAnswer } from '../../http/node-answer.js';
import { latch } from './latch.js';

type NodeHandler = CallbackApp['nodeHandler'];

/** What hubs are told that came while the start was failing: the next one may do better. */
const NOT_STARTED = unavailable('the subscriber could not start', 120);

/** The way from a listener to the callbacks while the runtime starts. */
export interface StartupGate {
  readonly nodeHandler: NodeHandler;
  /** What the store holds is known: verifications are let through. */
  allowVerifications(): void;
  /** The services have started: content is let through as well. */
  allowContent(): void;
  /** The start has failed: what is held, and what still comes, is answered 503. Resolves when the held has its answer. */
  fail(): Promise<void>;
}

/**
 * Holds requests back until they can be answered. The port has to be open before the public URL is known, and a hub that
 * was told 404 in the meantime would take the subscription for gone.
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
