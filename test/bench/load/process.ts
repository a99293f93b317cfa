import { answerCalls, numbersOf } from '../calls.js';
import { openLoad, type Load } from './load.js';

let load: Load | undefined;

answerCalls({
  async open(target) {
    const { port, connections } = numbersOf(target, ['port', 'connections']);
    load = await openLoad({ port, connections, request: requestOf(target) });
    return {};
  },
  run(argument) {
    const stretch = numbersOf(argument, ['milliseconds', 'requests']);
    if (load === undefined) throw new Error('There are no connections');
    return load.run(stretch);
  },
  close() {
    load?.close();
    load = undefined;
    return {};
  },
  stop: () => ({}),
});

function requestOf(target: unknown): Uint8Array {
  if (typeof target === 'object' && target !== null && 'request' in target && target.request instanceof Uint8Array) {
    return target.request;
  }
  throw new TypeError('There is nothing to send');
}
