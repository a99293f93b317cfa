import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { compiledFixture } from '../../kit/compiled-fixture.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { startHub } from '../../kit/start-hub.js';

const LONG = 60_000;
const LINES = 5_000;

/** Events with lines of 1 KiB each, more than the buffer has room for. */
const EVENTS = 6_000;

const file = await compiledFixture('e2e/fixtures/logging-process.ts');

/** The output of a process, as far as it was read. */
interface Reading {
  readonly text: () => string;
  /** Resolves once the process has ended and all output is read. */
  readonly ended: Promise<unknown>;
}

/** A standard output without a reader until `read` is called. */
interface Output {
  readonly stdout: 'pipe' | number;
  readonly read: (child: ChildProcess) => Reading;
}

/** A socket, as Node.js gives to a child. */
function socket(): Output {
  return {
    stdout: 'pipe',
    read({ stdout }) {
      let text = '';
      if (stdout === null) throw new Error('the process has no standard output');
      stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      return { text: () => text, ended: once(stdout, 'end') };
    },
  };
}

/** A pipe, as a shell gives to a child. */
async function pipe(): Promise<Output> {
  const path = join(temporaryDirectory(), 'pipe');
  execFileSync('mkfifo', [path]);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stdout = openSync(path, constants.O_WRONLY);
  return {
    stdout,
    read() {
      closeSync(stdout);
      let text = '';
      const stream = new Socket({ fd: readEnd, readable: true, writable: false });
      stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      return { text: () => text, ended: once(stream, 'end') };
    },
  };
}

function run(env: NodeJS.ProcessEnv, stdout: Output['stdout'] = 'pipe'): ChildProcess {
  const child = spawn(process.execPath, [file], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', stdout, 'ignore', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** The next message of a process that passes the check. */
async function nextMessage<T>(child: ChildProcess, isExpected: (message: unknown) => message is T): Promise<T> {
  const exited = once(child, 'exit').then(([code]) => [`the process ended (${code})`]);
  const [message]: unknown[] = await Promise.race([once(child, 'message'), exited]);
  if (!isExpected(message)) throw new Error(`told ${JSON.stringify(message)}`);
  return message;
}

const isText = (message: unknown): message is string => typeof message === 'string';
const isList = (message: unknown): message is readonly string[] => Array.isArray(message);

/** Delivers events one after another on each of several connections. Returns the statuses of the answers. */
async function deliver(callback: string, count: number): Promise<ReadonlySet<number | undefined>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const statuses = new Set<number | undefined>();
  let remaining = count;
  const deliverMany = async (): Promise<void> => {
    while (remaining > 0) {
      remaining -= 1;
      const delivery = request(callback, { method: 'POST', agent }).end('news');
      const [response] = await once(delivery, 'response');
      statuses.add(response.statusCode);
      response.resume();
      await once(response, 'end');
    }
  };
  await Promise.all(Array.from({ length: 16 }, deliverMany));
  agent.destroy();
  return statuses;
}

/** A hub that verifies, and a service in its own process with a standard output that nobody reads. */
async function startServing(output: Output): Promise<{ child: ChildProcess; callback: string }> {
  const hub = await startHub();
  const topic = hub.topic('/topic');
  const child = run({ TARGET: topic.url }, output.stdout);
  return { child, callback: await nextMessage(child, isText) };
}

/** The numbers of whole lines, in order. */
function numbersIn(text: string): readonly unknown[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).index);
}

describe.each([
  ['a socket', async () => socket()],
  ['a pipe', pipe],
])('a standard output that is %s', (_name, open) => {
  it(
    'may go unread while events are answered, and the process ends within 2 s of its stop',
    async () => {
      const { child, callback } = await startServing(await open());
      expect(await deliver(callback, EVENTS)).toEqual(new Set([202]));
      child.send('stop');
      expect(await nextMessage(child, isText)).toBe('stopped');
      const stoppedAt = performance.now();
      const [code] = await once(child, 'exit');
      expect(code).toBe(0);
      expect(performance.now() - stoppedAt).toBeLessThan(2_000);
    },
    LONG,
  );

  it(
    'tells a reader that starts late how many lines were dropped',
    async () => {
      const output = await open();
      const { child, callback } = await startServing(output);
      await deliver(callback, EVENTS);
      const reading = output.read(child);
      await vi.waitFor(() => expect(reading.text()).toContain('"dropped":'), 10_000);
      await deliver(callback, 1);
      child.send('stop');
      await reading.ended;
      const lines: { msg: string; event?: string; dropped?: number }[] = reading
        .text()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
      const noticeIndex = lines.findIndex(({ event }) => event === 'log.dropped');
      const eventLineCount = lines.filter(({ msg }) => msg === 'an event').length;
      expect(lines[noticeIndex]).toMatchObject({ level: 40, name: 'websub-subscriber' });
      expect(lines[noticeIndex]?.dropped).toBe(EVENTS + 1 - eventLineCount);
      expect(eventLineCount).toBeGreaterThan(3_000);
      expect(lines.slice(noticeIndex).filter(({ msg }) => msg === 'an event')).toHaveLength(1);
    },
    LONG,
  );

  it.each(['exit', 'end', 'throw', 'signal'])(
    'with a reader gets every line of a process that ends by %s',
    async (mode) => {
      const output = await open();
      const child = run({ MODE: mode }, output.stdout);
      child.disconnect();
      const ended = once(child, 'exit');
      const reading = output.read(child);
      await reading.ended;
      expect(numbersIn(reading.text())).toEqual(Array.from({ length: LINES }, (_, index) => index));
      expect(await ended).toEqual(mode === 'signal' ? [null, 'SIGTERM'] : [mode === 'throw' ? 1 : 0, null]);
    },
    LONG,
  );

  it.each(['exit', 'end', 'throw', 'signal'])(
    'without a reader does not keep a process alive that ends by %s',
    async (mode) => {
      const output = await open();
      const child = run({ MODE: mode }, output.stdout);
      child.disconnect();
      expect(await once(child, 'exit')).toEqual(
        mode === 'signal' ? [null, 'SIGTERM'] : [mode === 'throw' ? 1 : 0, null],
      );
    },
    LONG,
  );
});

it(
  'a closed standard output does not end the process',
  async () => {
    const { child, callback } = await startServing(socket());
    child.stdout?.destroy();
    expect(await deliver(callback, 100)).toEqual(new Set([202]));
    child.send('stop');
    expect(await once(child, 'exit')).toEqual([0, null]);
  },
  LONG,
);

it('no signal listener is installed with handleSignals off, with `manual`, or with `server`', async () => {
  const child = run({ MODE: 'listeners', TARGET: temporaryDirectory() });
  expect(await nextMessage(child, isList)).toEqual([]);
});
