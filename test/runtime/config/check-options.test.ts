import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { ConfigurationError, type StartOptions } from 'websub-subscriber';
import { checkOptions } from '../../../src/runtime/config/check-options.js';

function fixture(name: string): string {
  return readFileSync(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url), 'utf8');
}

function problem(options: unknown, env: NodeJS.ProcessEnv = {}): string {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- without the compiler, a caller may pass any value
    checkOptions(options as StartOptions, env);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  throw new Error('The options were accepted.');
}

describe('checkOptions', () => {
  it('fills in the defaults', () => {
    expect(checkOptions({}, {})).toEqual({
      port: 9090,
      manual: false,
      deferRequests: false,
      basePath: '/websub',
      store: 'lmdb://.websub',
      waitForStoreSeconds: 0,
      failFast: false,
      pruneDeclared: false,
      gracefulShutdownSeconds: 20,
      schedule: { refresh: '0 * * * *', retry: '*/10 * * * *', sweep: '0 3 * * *' },
      security: {
        maxBodyBytes: 10_485_760,
        maxInFlightBytes: 67_108_864,
        maxConnections: 10_000,
        storeTimeoutMs: 5_000,
        bodyTimeoutMs: 30_000,
        allowPrivateNetworks: false,
        allowInsecureSecret: false,
        hubConcurrency: 8,
        maxLeaseSeconds: 31_536_000,
        maxRenewalSeconds: 864_000,
        defaultLeaseSeconds: 86_400,
      },
      sealKeys: [],
    });
  });

  it('reads the environment only for options that are not set', () => {
    const env = { PORT: '8080', WEBSUB_PUBLIC_URL: 'https://me.example.com/', WEBSUB_STORE: 'memory' };
    const fromEnv = { port: 8080, publicUrl: 'https://me.example.com', store: 'memory' };
    expect(checkOptions({}, env)).toMatchObject(fromEnv);
    expect(checkOptions({}, { PORT: '', WEBSUB_PUBLIC_URL: '', WEBSUB_STORE: '' })).toEqual(checkOptions({}, {}));
    const options = { port: 1, publicUrl: 'https://other.example.com', store: 'lmdb://here' };
    expect(checkOptions(options, env)).toMatchObject(options);
    expect(checkOptions(options, { PORT: String.raw`\\.\pipe\x`, WEBSUB_PUBLIC_URL: 'here' })).toMatchObject(options);
    expect(checkOptions({ manual: true, publicUrl: 'https://a.example' }, { PORT: 'pipe' })).toMatchObject({
      manual: true,
    });
  });

  it.each([
    ['https://me.example.com/', 'https://me.example.com'],
    ['https://example.com/me//', 'https://example.com/me'],
  ])('removes trailing slashes from the public URL %s', (publicUrl, expected) => {
    expect(checkOptions({ publicUrl }, {}).publicUrl).toBe(expected);
  });

  it.each([
    ['/', ''],
    ['', ''],
    ['hooks', '/hooks'],
    ['/a/b/', '/a/b'],
  ])('normalizes the base path %j to %j', (basePath, expected) => {
    expect(checkOptions({ basePath }, {}).basePath).toBe(expected);
  });

  const INVALID: readonly [options: unknown, message: RegExp][] = [
    [undefined, /the configuration is undefined; it must be an object/],
    [{ prot: 1 }, /startService: prot is not a known field \(did you mean port\?\)/],
    [{ port: 65_536 }, /port is 65536; it must be a TCP port, a whole number from 0 to 65535/],
    [{ port: '9090' }, /port is "9090"/],
    [{ host: '' }, /host is ""; it must be a host name or an address/],
    [{ server: {} }, /server is an object; it must be a node:http or node:https server/],
    [{ tls: true }, /tls is a boolean; it must be an object with key and cert/],
    [{ tls: { key: fixture('key') } }, /tls is an object; it must be an object with key and cert/],
    [{ tls: { key: 'my key', cert: 'my cert' } }, /tls cannot be used \(.+\)\. Provide key and cert in PEM/],
    [{ manual: 'yes' }, /manual is "yes"; it must be true or false/],
    [{ manual: true }, /manual requires publicUrl/],
    [{ manual: true, publicUrl: 'https://a.example', server: createServer() }, /manual cannot be combined with server/],
    [
      { manual: true, publicUrl: 'https://a.example', failFast: true },
      /failFast cannot be combined with manual, .*deferRequests.*runtime\.begin\(\)/,
    ],
    [
      { manual: true, publicUrl: 'https://a.example', tunnel: async () => ({}) },
      /tunnel cannot be combined with manual/,
    ],
    [
      { server: createServer(), tls: { key: fixture('key'), cert: fixture('certificate') } },
      /tls cannot be combined with server/,
    ],
    [{ server: createServer(), failFast: true }, /failFast cannot be combined with a server that does not listen yet/],
    [{ basePath: '/a b' }, /basePath is "\/a b"/],
    [{ publicUrl: 'me.example.com' }, /publicUrl is "me\.example\.com"; it must be an absolute URL/],
    [{ publicUrl: 'https://me.example.com?x=1' }, /publicUrl has a query/],
    [
      { publicUrl: 'https://me:secret@example.com' },
      /publicUrl is "https:\/\/example\.com" with a user name or password/,
    ],
    [{ tunnel: 'ngrok' }, /tunnel is "ngrok"; it must be a function/],
    [{ store: 1 }, /store is 1; it must be a Keyv, a URI/],
    [{ container: {} }, /container is an object; it must be a tsyringe container/],
    [{ logger: true }, /logger is true; it must be a logger with debug, info, warn, error and fatal/],
    [{ logger: { info() {} } }, /logger is an object/],
    [{ failFast: 1 }, /failFast is 1/],
    [{ pruneDeclared: 'yes' }, /pruneDeclared is "yes"; it must be true or false/],
    [{ gracefulShutdownSeconds: -1 }, /gracefulShutdownSeconds is -1; it must be a number of seconds, from 0 to/],
    [{ handleSignals: 'SIGTERM' }, /handleSignals is "SIGTERM"/],
    [{ schedule: 'hourly' }, /schedule is a string; it must be an object/],
    [
      { schedule: { refresh: 'hourly' } },
      /schedule\.refresh is "hourly"; it must be a cron expression such as '0 \* \* \* \*' \(Unknown alias: hou\)/,
    ],
    [{ schedule: { sweep: '0 0 30 2 *' } }, /schedule\.sweep is "0 0 30 2 \*".*\(the date never occurs\)/],
    [{ schedule: { retry: 10 } }, /schedule\.retry is 10; it must be a cron expression/],
    [{ schedule: { retri: '* * * * *' } }, /schedule\.retri is not a known field \(did you mean retry\?\)/],
    [{ security: [] }, /security is an array; it must be an object/],
    [
      { security: { maxInFlightBytes: 10_485_759 } },
      /security\.maxInFlightBytes is 10485759; it must be at least maxBodyBytes \(10485760\)/,
    ],
    [
      { security: { maxBodyBytes: 67_108_865 } },
      /security\.maxInFlightBytes is 67108864; it must be at least maxBodyBytes \(67108865\)/,
    ],
    [{ security: { maxConnections: 0 } }, /security\.maxConnections is 0; it must be a whole number of connections/],
    [{ security: { storeTimeoutMs: 0 } }, /security\.storeTimeoutMs is 0; it must be a whole number of milliseconds/],
    [{ security: { maxBodyBytes: 0 } }, /security\.maxBodyBytes is 0; it must be a whole number of bytes, at least 1/],
    [{ security: { bodyTimeoutMs: 0.5 } }, /security\.bodyTimeoutMs is 0\.5/],
    [{ security: { allowPrivateNetworks: 'no' } }, /security\.allowPrivateNetworks is "no"/],
    [{ security: { allowInsecureSecret: null } }, /security\.allowInsecureSecret is null/],
    [
      { security: { hubConcurrency: 0 } },
      /security\.hubConcurrency is 0; it must be a whole number of requests, at least 1/,
    ],
    [{ security: { hubConcurrency: 1.5 } }, /security\.hubConcurrency is 1\.5/],
    [{ security: { maxLeaseSeconds: 60 } }, /defaultLeaseSeconds is 86400; it must be at most maxLeaseSeconds \(60\)/],
    [
      { security: { maxLeaseSecs: 60 } },
      /security\.maxLeaseSecs is not a known field \(did you mean maxLeaseSeconds\?\)/,
    ],
  ];
  it.each(INVALID)('refuses %j, and names the problem', (options, message) => {
    expect(problem(options)).toMatch(message);
    expect(problem(options)).not.toMatch(/secret|my key/);
  });

  it.each([
    [{ PORT: 'http' }, /^The environment: PORT is "http"; it must be a TCP port/],
    [{ PORT: ' ' }, /^The environment: PORT is " "/],
    [{ PORT: '70000' }, /^The environment: PORT is 70000/],
    [{ WEBSUB_PUBLIC_URL: 'here' }, /^The environment: WEBSUB_PUBLIC_URL is "here"; it must be an absolute URL/],
  ])('refuses the environment %j, and names the variable', (env, message) => {
    expect(problem({}, env)).toMatch(message);
  });

  it('fills in the defaults of a partial schedule', () => {
    const { schedule } = checkOptions({ schedule: { retry: '@hourly', sweep: undefined } }, {});
    expect(schedule).toEqual({ refresh: '0 * * * *', retry: '@hourly', sweep: '0 3 * * *' });
  });

  it('accepts a certificate with its key', () => {
    const tls: StartOptions['tls'] = { key: fixture('key'), cert: fixture('certificate') };
    expect(checkOptions({ tls }, {}).tls).toEqual(tls);
  });
});
