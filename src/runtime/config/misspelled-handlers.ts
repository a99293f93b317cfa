import { HANDLER_NAMES, type HandlerName } from '../../delivery/handler/handlers.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import { nearestName } from './checks/nearest-name.js';

/** A method within so many edits of a handler's name counts as a misspelled handler. */
const MAX_EDITS = 3;

/** A method that looks like a misspelled handler. */
export interface MisspelledHandler {
  readonly method: string;
  readonly handler: HandlerName;
}

/** Finds methods, own and inherited, with a missing handler at most three edits away. */
export function misspelledHandlers(handlers: object): readonly MisspelledHandler[] {
  const matches: MisspelledHandler[] = [];
  for (const method of methodsOf(handlers)) {
    const nearest = nearestName(method, HANDLER_NAMES, () => MAX_EDITS);
    const handler = HANDLER_NAMES.find((name) => name === nearest);
    // A service that also has the handler did not misspell it.
    if (handler !== undefined && typeof Reflect.get(handlers, handler) !== 'function')
      matches.push({ method, handler });
  }
  return matches;
}

/** Logs one warning for each method of a service that looks like a misspelled handler. */
export function warnOfMisspelledHandlers(service: string, handlers: object, logger: Logger): void {
  for (const { method, handler } of misspelledHandlers(handlers)) {
    log(logger, 'handler.misspelled', { service, method, handler });
  }
}

function methodsOf(value: object): ReadonlySet<string> {
  const names = new Set<string>();
  for (
    let prototype: unknown = value;
    isRecord(prototype) && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    for (const [name, { value: member }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (typeof member === 'function' && name !== 'constructor') names.add(name);
    }
  }
  return names;
}
