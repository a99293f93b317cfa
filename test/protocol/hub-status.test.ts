import { expect, it } from 'vitest';
import { hubVerdict, isAlreadyEnded } from '../../src/protocol/hub-status.js';

it.each([
  [200, 'accepted'],
  [202, 'accepted'],
  [204, 'accepted'],
  [299, 'accepted'],
  [300, 'refused'],
  [301, 'refused'],
  [302, 'refused'],
  [303, 'refused'],
  [304, 'refused'],
  [307, 'redirected'],
  [308, 'redirected'],
  [400, 'refused'],
  [401, 'refused'],
  [403, 'refused'],
  [404, 'refused'],
  [408, 'temporary'],
  [409, 'temporary'],
  [410, 'refused'],
  [422, 'temporary'],
  [425, 'temporary'],
  [429, 'temporary'],
  [499, 'refused'],
  [500, 'temporary'],
  [503, 'temporary'],
  [599, 'temporary'],
  [600, 'refused'],
] as const)('S3 a hub status of %i is %s', (status, verdict) => {
  expect(hubVerdict(status)).toBe(verdict);
});

it.each([
  [202, false, false],
  [204, true, true],
  [301, false, false],
  [400, false, true],
  [401, false, true],
  [404, true, true],
  [408, false, false],
  [409, false, false],
  [410, true, true],
  [422, false, false],
  [429, false, false],
  [451, false, true],
  [500, false, false],
  [503, false, false],
])(
  'S3 a hub status of %i ends an unsubscription: %s (after our 410 or a denial: %s)',
  (status, isEnded, isEndedAfterDenial) => {
    expect([isAlreadyEnded(status, false), isAlreadyEnded(status, true)]).toEqual([isEnded, isEndedAfterDenial]);
  },
);
