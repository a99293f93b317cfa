import { atom20k, json2k } from '../payloads.js';
import type { Scenario } from '../scenario.js';

export const inline: Scenario = {
  name: 'inline',
  what: 'this package, default options (embedded LMDB store, pino at info), a handler that returns at once',
  server: new URL('../servers/inline.js', import.meta.url),
  payloads: [json2k, atom20k],
};

export const inlineAsync: Scenario = {
  name: 'inline-async',
  what: 'the same with an async handler, which is timed: the answer waits for it, but not for ever',
  server: new URL('../servers/inline-async.js', import.meta.url),
  payloads: [json2k, atom20k],
};
