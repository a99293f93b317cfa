import { atom20k, json1m, json2k } from '../payloads.js';
import type { Scenario } from '../scenario.js';

export const inline: Scenario = {
  name: 'inline',
  what: 'this package, default options (embedded LMDB store, pino at info), a handler that returns at once',
  server: new URL('../servers/inline.js', import.meta.url),
  payloads: [json2k, atom20k, json1m],
  aim: "at least 0.95 of the floor's rate and at most 1.10 of its CPU",
};

export const inline1 = inlineWith(1);
export const inline8 = inlineWith(8, { isLong: true });
export const inline512 = inlineWith(512);

export const inlineRoomy: Scenario = {
  name: 'inline-roomy',
  what: 'inline in a process begun with --initial-old-space-size=256, in which V8 collects its old generation less often',
  server: inline.server,
  nodeOptions: ['--initial-old-space-size=256'],
  payloads: [json2k, atom20k, json1m],
  isLong: true,
};

export const inlineAsync: Scenario = {
  name: 'inline-async',
  what: 'the same with an async handler, which is timed: the answer waits for it, but not for ever',
  server: new URL('../servers/inline-async.js', import.meta.url),
  payloads: [json2k, atom20k],
  isLong: true,
};

export const inline10: Scenario = {
  name: 'inline-10',
  what: 'as inline, with 10 subscriptions in the store, one of which is delivered to',
  server: new URL('../servers/inline-10.js', import.meta.url),
  payloads: [json2k],
  isLong: true,
};

export const inline100k: Scenario = {
  name: 'inline-100k',
  what: 'the same with 100,000 subscriptions, compared with inline-10 and not with the floor',
  comparedWith: 'inline-10',
  aim: 'at most 1.10 of the CPU of inline-10',
  server: new URL('../servers/inline-100k.js', import.meta.url),
  payloads: [json2k],
  isLong: true,
};

function inlineWith(connections: number, rest: Pick<Scenario, 'isLong'> = {}): Scenario {
  return {
    name: `inline-${connections}`,
    what: `inline with ${connections === 1 ? 'one request' : `${connections} requests`} in flight, compared with floor-${connections}`,
    server: inline.server,
    payloads: [json2k],
    comparedWith: `floor-${connections}`,
    connections,
    ...rest,
  };
}
