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
  ])('takes %j for %j', (name, meant) => {
    expect(nearestName(name, known)).toBe(meant);
  });

  it('knows no name where there are none', () => {
    expect(nearestName('target', [])).toBeUndefined();
  });
});
