import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallbackApp } from '../http/app.js';
import { latch } from './latch.js';

type NodeHandler = CallbackApp['nodeHandler'];

/** The way from a listener to the callbacks while the runtime starts. */
export interface Gate {
  readonly nodeHandler: NodeHandler;
  /** What the store holds is known: verifications are let through. */
  loaded(): void;
  /** The services have started: content is let through as well. */
  started(): void;
}

/**
 * Holds requests back until they can be answered. The port has to be open before the public URL is known, and a hub that
 * was told 404 in the meantime would take the subscription for gone.
 */
export function gate(handler: NodeHandler): Gate {
  const [loaded, started] = [latch(), latch()];
  return {
    loaded: () => loaded.open(),
    started: () => started.open(),
    nodeHandler(request: IncomingMessage, response: ServerResponse, next) {
      const way = request.method === 'POST' ? started : loaded;
      if (way.isOpen) handler(request, response, next);
      else void way.opened.then(() => handler(request, response, next));
    },
  };
}
