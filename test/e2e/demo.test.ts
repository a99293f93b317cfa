import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { runExample } from '../kit/example-process.js';

const LIMIT_MS = 60_000;

/** What a person is to see, in this order. */
const STORY = [
  /publisher +serves http:\/\/127\.0\.0\.1:\d+\/feed/,
  /publisher +is read \(GET \/feed\).*discovery/,
  /hub +is asked: POST \/hub hub\.mode=subscribe, for 1 day, signed with a secret of 64 bytes/,
  /subscriber +is asked by the hub whether it wants that, and echoes the challenge/,
  /hub +got 200 and its challenge back: subscribe is verified/,
  /subscriber +received "The kettle is on" \(\d+ bytes, sha256 signature checked\)/,
  /hub +sent it with X-Hub-Signature: sha256=.* and got 202/,
  /subscriber +received "The tea is ready"/,
  /subscriber +received "There is cake as well"/,
];

const FAREWELL = [
  /subscriber +stops, and asks the hub to end the subscription/,
  /hub +is asked: POST \/hub hub\.mode=unsubscribe/,
  /subscriber +is asked by the hub whether it wants that, and echoes the challenge/,
  /hub +got 200 and its challenge back: unsubscribe is verified/,
  /demo +Unsubscribed: the hub will send nothing more\./,
];

/** The line at which each is found, each sought after the one before; -1 where it is not there. */
function places(output: string, story: readonly RegExp[]): number[] {
  const lines = output.split('\n');
  let next = 0;
  return story.map((pattern) => {
    const found = lines.findIndex((line, index) => index >= next && pattern.test(line));
    next = found === -1 ? next : found + 1;
    return found;
  });
}

async function leftDirectories(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('websub-demo-'));
}

it(
  'the demo shows discovery, verification and three pieces of signed news, unsubscribes and ends by itself, well in time',
  async () => {
    const before = await leftDirectories();
    const startedAt = Date.now();
    await using demo = runExample('demo');
    expect(await demo.ended).toEqual({ code: 0, signal: null });
    expect(Date.now() - startedAt).toBeLessThan(25_000);
    expect(places(demo.output(), [...STORY, ...FAREWELL])).not.toContain(-1);
    expect((await leftDirectories()).filter((name) => !before.includes(name))).toEqual([]);
  },
  LIMIT_MS,
);

it(
  'the demo goes on where it is to stay, and Ctrl-C unsubscribes, verified by the hub, also when it comes twice at once',
  async () => {
    await using demo = runExample('demo', { args: ['--stay'] });
    await demo.printed('Ctrl-C unsubscribes and ends the demo');
    expect(places(demo.output(), STORY)).not.toContain(-1);
    expect(demo.output()).not.toContain('Unsubscribed');
    demo.interrupt();
    demo.interrupt();
    expect(await demo.ended).toEqual({ code: 0, signal: null });
    expect(places(demo.output(), [...STORY, ...FAREWELL])).not.toContain(-1);
  },
  LIMIT_MS,
);

it(
  'Ctrl-C before the third piece of news ends the demo as well',
  async () => {
    await using demo = runExample('demo', { args: ['--stay'] });
    await demo.printed('received "The kettle is on"');
    demo.interrupt();
    expect(await demo.ended).toEqual({ code: 0, signal: null });
    expect(places(demo.output(), FAREWELL)).not.toContain(-1);
    expect(demo.output()).not.toContain('There is cake');
  },
  LIMIT_MS,
);
