import { atom20k, json2k } from '../payloads.js';
import type { Scenario } from '../scenario.js';

export const floor: Scenario = {
  name: 'floor',
  what: 'bare node:http that does the same work by hand: whole body, HMAC-SHA256, constant-time compare, 202',
  server: new URL('../servers/floor.js', import.meta.url),
  payloads: [json2k, atom20k],
};
