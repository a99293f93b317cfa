import { atom20k, json1m, json2k } from '../payloads.js';
import type { Scenario } from '../scenario.js';

export const floor: Scenario = {
  name: 'floor',
  what: 'bare node:http that does the same work by hand: whole body, HMAC-SHA256, constant-time compare, 202',
  server: new URL('../servers/floor.js', import.meta.url),
  payloads: [json2k, atom20k, json1m],
};

export const floorLaden: Scenario = {
  name: 'floor-laden',
  what: 'the floor in a process whose heap holds 15 MB, as that of inline does, and not 4 MB: what V8 charges for that',
  server: new URL('../servers/floor-laden.js', import.meta.url),
  payloads: [json2k, atom20k, json1m],
  isLong: true,
};

export const floor1 = floorWith(1);
export const floor8 = floorWith(8, { isLong: true });
export const floor256 = floorWith(256, { isLong: true });
export const floor512 = floorWith(512);

function floorWith(connections: number, rest: Pick<Scenario, 'isLong'> = {}): Scenario {
  const name = `floor-${connections}`;
  return {
    name,
    what: `the floor with ${connections === 1 ? 'one request' : `${connections} requests`} in flight`,
    server: floor.server,
    payloads: [json2k],
    comparedWith: name,
    connections,
    ...rest,
  };
}
