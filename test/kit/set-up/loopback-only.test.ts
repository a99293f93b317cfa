import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The failure messages by test. A passed test has an empty text. */
type Failures = ReadonlyMap<string, string>;

const ATTEMPTS: readonly (readonly [test: string, attempt: string])[] = [
  ['connects to an address', 'connect to 192.0.2.1:80'],
  ['connects to a name', 'connect to hub.example:80'],
  ['connects to an address that its own look-up returns', 'connect to 192.0.2.1:80 (hub.example)'],
  ['connects to a name that is stubbed with a remote address', 'connect to 192.0.2.1:80 (stubbed.example)'],
  ['fetches', 'connect to hub.example:80'],
  ['fetches over TLS', 'connect to 192.0.2.1:443'],
  ['looks a name up', 'dns.lookup of hub.example'],
  ['looks a name up with the promisified look-up', 'dns.lookup of hub.example'],
  ['looks a name up with the promise API', 'dns.lookup of hub.example'],
  ['queries a name server', 'dns.resolve4 of hub.example'],
  ['sends a datagram', 'dgram.send to 192.0.2.1'],
  ['connects in a worker thread', 'connect to 192.0.2.1:80'],
  ['connects in a child process', 'connect to 192.0.2.1:80'],
  ['connects after its end', 'connect to 192.0.2.1:80'],
];

describe('a test run', () => {
  let failures: Failures;

  beforeAll(async () => {
    failures = await failuresOf(here('./fixtures/vitest.config.ts'));
  }, 60_000);

  it.each(ATTEMPTS)('fails a test that %s, and names it', (name, attempt) => {
    const failure = failures.get(name);
    expect(failure).toContain(`The test "${name}" went beyond loopback.`);
    expect(failure).toContain(`"what":"${attempt}"`);
  });

  it('fails the test after a hook that goes beyond loopback', () => {
    expect(failures.get('comes before a test')).toMatch(
      /Code before the test "comes before a test" went beyond loopback/,
    );
  });

  it('passes a test that stays on this machine', () => {
    expect(failures.get('stays on this machine')).toBe('');
    expect(failures.size).toBe(ATTEMPTS.length + 2);
  });
});

async function failuresOf(config: string): Promise<Failures> {
  const vitest = here('../../../node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--config', config, '--reporter', 'json'];
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 10_000_000 }, (_error, stdout) => resolve(stdout));
  });
  const report: Report = JSON.parse(output.slice(output.indexOf('{')));
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  return new Map(tests.map(({ title, failureMessages }) => [title, failureMessages.join('\n')]));
}

/** The part of Vitest's JSON report that is read. */
interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly failureMessages: readonly string[] }[];
  }[];
}
