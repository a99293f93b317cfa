import type { LookupAddress } from 'node:dns';
import ipaddr from 'ipaddr.js';
import { describe, expect, it, vi } from 'vitest';
import { AddressError, guardedLookup, privacyOf, specialRange } from '../../../src/hub/guard/address-guard.js';
import { stubName } from '../../kit/set-up/names.js';

const SPECIAL_ADDRESSES: readonly (readonly [string, string])[] = [
  ['0.0.0.0', 'unspecified'],
  ['0.1.2.3', 'unspecified'],
  ['10.1.2.3', 'private'],
  ['100.64.0.1', 'carrierGradeNat'],
  ['127.0.0.1', 'loopback'],
  ['169.254.169.254', 'linkLocal'],
  ['172.31.255.255', 'private'],
  ['192.0.0.8', 'reserved'],
  ['192.168.0.1', 'private'],
  ['198.18.0.1', 'reserved'],
  ['224.0.0.1', 'multicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['::7f00:1', 'reserved'],
  ['::ffff:8.8.8.8', 'ipv4Mapped'],
  ['::ffff:127.0.0.1', 'ipv4Mapped'],
  ['64:ff9b::127.0.0.1', 'loopback'],
  ['64:ff9b::a9fe:a9fe', 'linkLocal'],
  ['64:ff9b:1::8.8.8.8', 'rfc6052'],
  ['2002:7f00:1::', '6to4'],
  ['2001::1', 'teredo'],
  ['2001:db8::1', 'reserved'],
  ['fc00::1', 'uniqueLocal'],
  ['fd12::1', 'uniqueLocal'],
  ['fe80::1', 'linkLocal'],
  ['fe80::1%eth0', 'linkLocal'],
  ['fec0::1', 'deprecatedSiteLocal'],
  ['ff02::1', 'multicast'],
  ['not an address', 'unknown'],
];

describe('the range of the address', () => {
  it.each(SPECIAL_ADDRESSES)('%s is %s', (address, range) => {
    expect(specialRange(address)).toBe(range);
  });

  it.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '64:ff9b::8.8.8.8'])(
    '%s is public',
    (address) => {
      expect(specialRange(address)).toBeUndefined();
    },
  );
});

describe('privacyOf()', () => {
  const failingLookup = (): Promise<never> => Promise.reject(new Error('looked up'));

  it.each([
    'http://127.0.0.1:1/',
    'http://2130706433/',
    'https://[::1]/',
    'http://[fd00::1]/',
    'http://localhost/',
    'http://a.localhost/',
    'http://169.254.169.254/latest',
  ])('classifies %s as private by its text, without a lookup', async (url) => {
    expect(await privacyOf(url, failingLookup)).toBe('literal');
  });

  it('classifies a public address as public, without a lookup', async () => {
    const privateLookup = (): Promise<string[]> => Promise.resolve(['10.0.0.1']);
    expect(await privacyOf('https://8.8.8.8/', privateLookup)).toBe('public');
  });

  it.each([
    [['10.0.0.1'], 'resolved'],
    [['10.0.0.1', 'fd00::1'], 'resolved'],
    [['8.8.8.8', '10.0.0.1'], 'public'],
    [['10.0.0.1', '8.8.8.8'], 'public'],
    [['8.8.8.8'], 'public'],
    [[], 'public'],
  ])('classifies a name with the addresses %j as %s', async (addresses, privacy) => {
    const lookedUp: string[] = [];
    const lookup = (host: string): Promise<string[]> => {
      lookedUp.push(host);
      return Promise.resolve(addresses);
    };
    expect(await privacyOf('https://hub.example.com:8443/path', lookup)).toBe(privacy);
    expect(lookedUp).toEqual(['hub.example.com']);
  });

  it('classifies a name that does not resolve as public, and looks names up with node:dns by default', async () => {
    expect(await privacyOf('https://hub.example.com/', failingLookup)).toBe('public');
    stubName('hub.invalid');
    expect(await privacyOf('https://hub.invalid/')).toBe('public');
    stubName('hub.internal', '10.0.0.1');
    expect(await privacyOf('https://hub.internal/')).toBe('resolved');
  });
});

describe('the lookup of guarded sockets', () => {
  const resolving =
    (...addresses: LookupAddress[]): Parameters<typeof guardedLookup>[0] =>
    (_host, _options, callback) =>
      callback(null, addresses);
  const publicAddresses: LookupAddress[] = [
    { address: '8.8.8.8', family: 4 },
    { address: '2606:4700::1111', family: 6 },
  ];
  const guardedResult = (lookup: Parameters<typeof guardedLookup>[0], all: boolean): Promise<unknown[]> =>
    new Promise((resolve) => guardedLookup(lookup)('hub.example.com', { all }, (...result) => resolve(result)));

  it('returns public addresses, all or the first', async () => {
    expect(await guardedResult(resolving(...publicAddresses), true)).toEqual([null, publicAddresses]);
    expect(await guardedResult(resolving(...publicAddresses), false)).toEqual([null, '8.8.8.8', 4]);
  });

  it('fails if any address is not public, and names host, address, range and the option', async () => {
    const [error] = await guardedResult(resolving(...publicAddresses, { address: '10.0.0.1', family: 4 }), false);
    expect(error).toBeInstanceOf(AddressError);
    expect(error).toMatchObject({
      host: 'hub.example.com',
      address: '10.0.0.1',
      range: 'private',
      message: expect.stringMatching(/^hub\.example\.com resolves to 10\.0\.0\.1, .*\(private\).*allowPrivateNetworks/),
    });
  });

  it('fails through its callback if an address cannot be parsed', async () => {
    const parse = vi.spyOn(ipaddr, 'parse').mockImplementation(() => {
      throw new Error('no such package');
    });
    const [error] = await guardedResult(resolving(...publicAddresses), true);
    parse.mockRestore();
    expect(error).toEqual(new Error('no such package'));
  });

  it("fails with the resolver's error", async () => {
    const failure = new Error('ENOTFOUND');
    const [error] = await guardedResult((_host, _options, callback) => callback(failure, []), true);
    expect(error).toBe(failure);
  });
});
