import { describe, expect, it } from 'vitest';
import { nearestName } from '../../../../src/runtime/config/checks/nearest-name.js';

const known = ['target', 'targets', 'leaseSeconds', 'secret', 'servicePath'];

describe('nearestName', () => {
  it.each([
    ['leaseSecond', 'leaseSeconds'],
    ['leaseseconds', 'leaseSeconds'],
    ['laeseSeconds', 'leaseSeconds'],
    ['tragets', 'targets'],
    ['secrets', 'secret'],
    ['path', undefined],
    ['', undefined],
  ])('returns for %j the name %j', (name, expected) => {
    expect(nearestName(name, known)).toBe(expected);
  });

  it('returns undefined without known names', () => {
    expect(nearestName('target', [])).toBeUndefined();
  });
});
