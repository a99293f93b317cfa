import { answerCalls, numbersOf } from '../calls.js';
import { openLoad, type Load } from './load.js';

let load: Load | undefined;

answerCalls({
  async open(target) {
    const numbers = numbersOf(target, ['port', 'connections', 'status']);
    load = await openLoad({ ...numbers, request: requestOf(target) });
    return {};
  },
  run(argument) {
    return currentLoad().run(numbersOf(argument, ['milliseconds', 'requests']));
  },
  pace(argument) {
    return currentLoad().pace(numbersOf(argument, ['milliseconds', 'rate']));
  },
  close() {
    load?.close();
    load = undefined;
    return {};
  },
  stop: () => ({}),
});

function currentLoad(): Load {
  if (load === undefined) throw new Error('There are no connections');
  return load;
}

function requestOf(target: unknown): Uint8Array {
  if (typeof target === 'object' && target !== null && 'request' in target && target.request instanceof Uint8Array) {
    return target.request;
  }
  throw new TypeError('There is nothing to send');
}
