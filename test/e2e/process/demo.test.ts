import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { runExample } from '../../kit/example-process.js';

const LIMIT_MS = 60_000;

/** The lines a person sees, in this order. */
const STORY = [
  /hub +listens at http:\/\/127\.0\.0\.1:\d+\/hub/,
  /publisher +serves http:\/\/127\.0\.0\.1:\d+\/messages/,
  /subscriber +discovery: GET \/messages answered with Link headers that name the hub and the topic/,
  /subscriber +subscribe request: POST \/hub with hub\.mode=subscribe, a lease of 1 day and a secret of 64 bytes/,
  /hub +verification of intent: GET callback\?hub\.mode=subscribe answered 200 with the challenge/,
  /subscriber +subscribed for 1 day; renews the lease at /,
  /publisher +publishes "The kettle is on"/,
  /subscriber +received "The kettle is on": \d+ bytes, sha256 signature valid/,
  /hub +delivery: POST callback \(X-Hub-Signature: sha256=.*\) answered 202/,
  /subscriber +received "The tea is ready"/,
  /subscriber +received "There is cake as well"/,
];

const FAREWELL = [
  /subscriber +stops/,
  /subscriber +unsubscribe request: POST \/hub with hub\.mode=unsubscribe$/,
  /hub +verification of intent: GET callback\?hub\.mode=unsubscribe answered 200 with the challenge/,
  /demo +Unsubscribed: the hub delivers nothing more\./,
];

/** The line number of each pattern, searched after the previous match; -1 if it is absent. */
function lineNumbers(output: string, story: readonly RegExp[]): number[] {
  const lines = output.split('\n');
  let next = 0;
  return story.map((pattern) => {
    const lineNumber = lines.findIndex((line, index) => index >= next && pattern.test(line));
    next = lineNumber === -1 ? next : lineNumber + 1;
    return lineNumber;
  });
}

async function demoDirectories(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('websub-demo-'));
}

it(
  'the demo shows discovery, verification and three signed deliveries, unsubscribes, and ends by itself within 25 s',
  async () => {
    const directoriesBefore = await demoDirectories();
    const startedAt = Date.now();
    await using demo = runExample('demo');
    expect(await demo.ended).toEqual({ code: 0, signal: null });
    expect(Date.now() - startedAt).toBeLessThan(25_000);
    expect(lineNumbers(demo.output(), [...STORY, ...FAREWELL])).not.toContain(-1);
    expect((await demoDirectories()).filter((name) => !directoriesBefore.includes(name))).toEqual([]);
  },
  LIMIT_MS,
);

it(
  'the demo with --stay runs until Ctrl-C, which unsubscribes with verification even when pressed twice',
  async () => {
    await using demo = runExample('demo', { args: ['--stay'] });
    await demo.printed('Ctrl-C unsubscribes and ends the demo');
    expect(lineNumbers(demo.output(), STORY)).not.toContain(-1);
    expect(demo.output()).not.toContain('Unsubscribed');
    demo.interrupt();
    demo.interrupt();
    expect(await demo.ended).toEqual({ code: 0, signal: null });
    expect(lineNumbers(demo.output(), [...STORY, ...FAREWELL])).not.toContain(-1);
  },
  LIMIT_MS,
);

it(
  'Ctrl-C before the third message unsubscribes and ends the demo',
  async () => {
    await using demo = runExample('demo', { args: ['--stay'] });
    await demo.printed('received "The kettle is on"');
    demo.interrupt();
    expect(await demo.ended).toEqual({ code: 0, signal: null });
    expect(lineNumbers(demo.output(), FAREWELL)).not.toContain(-1);
    expect(demo.output()).not.toContain('There is cake');
  },
  LIMIT_MS,
);
