import { HANDLER_NAMES, type HandlerName } from '../../delivery/handler/handlers.js';
import { KIND, type Logger } from '../../logger.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import { nearestName } from './checks/nearest-name.js';

/** Edits between a method's name and a handler's name up to which the method counts as a misspelled handler. */
const MOST_EDITS = 3;

/** A method that looks like a misspelled handler. */
export interface NearHandler {
  readonly method: string;
  readonly handler: HandlerName;
}

/** The methods, own and inherited, whose nearest handler is missing and at most three edits away. */
export function nearHandlers(handlers: object): readonly NearHandler[] {
  const found: NearHandler[] = [];
  for (const method of methodsOf(handlers)) {
    const nearest = nearestName(method, HANDLER_NAMES, () => MOST_EDITS);
    const handler = HANDLER_NAMES.find((name) => name === nearest);
    // A service that has the handler as well has not misspelled it.
    if (handler !== undefined && typeof Reflect.get(handlers, handler) !== 'function') found.push({ method, handler });
  }
  return found;
}

/** Logs one warning for each method of a service that looks like a misspelled handler. */
export function warnOfNearHandlers(service: string, handlers: object, logger: Logger): void {
  for (const { method, handler } of nearHandlers(handlers)) {
    logger.warn(
      { service, method, handler, [KIND]: `near handler ${method}` },
      `the runtime does not call method ${method}: did you mean ${handler}?`,
    );
  }
}

function methodsOf(value: object): ReadonlySet<string> {
  const names = new Set<string>();
  for (
    let holder: unknown = value;
    isRecord(holder) && holder !== Object.prototype;
    holder = Object.getPrototypeOf(holder)
  ) {
    for (const [name, { value: member }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (typeof member === 'function' && name !== 'constructor') names.add(name);
    }
  }
  return names;
}
