/**
 * Runs a publisher, a hub and a subscriber on this machine: `node --import tsx demo.ts`. On a terminal it runs until
 * Ctrl-C. Elsewhere, and with `--once`, it ends after three events; `--stay` keeps it running.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ContentDistributionMessage,
  startService,
  SubscriberService,
  type SubscriptionVerification,
  type UnsubscriptionVerification,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { inWords, say, short } from './demo/say.js';
import { tellHubSide } from './demo/tell-hub-side.js';

const NEWS = ['The kettle is on', 'The tea is ready', 'There is cake as well'];
const PAUSE_MS = 1_000;
const SLOW_PAUSE_MS = 5_000;

const isOnce = process.argv.includes('--once') || !(process.stdout.isTTY || process.argv.includes('--stay'));
const interrupted = new AbortController();
// npm forwards a Ctrl-C that this process also gets from the terminal. The second signal is the same key press.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

const hub = await TestHub.start();
const topic = hub.topic('/feed', { contentType: 'application/json', body: '{"title":"Nothing yet"}' });
say('publisher', `serves ${topic.url}`);
say('hub', `listens at ${hub.url}`);
const printingHubSide = tellHubSide(hub);

const titles: string[] = [];

@SubscriberService({ target: topic.url, secret: 'auto', leaseSeconds: 86_400 })
class News {
  onSubscriptionVerification({ challenge }: SubscriptionVerification): void {
    say('subscriber', `is asked by the hub whether it wants that, and echoes the challenge ${short(challenge)}`);
  }

  onEventNotification(event: ContentDistributionMessage): void {
    const { title } = event.json<{ title: string }>();
    titles.push(title);
    const [algorithm] = event.headers.get('x-hub-signature')?.split('=') ?? [];
    say('subscriber', `received "${title}" (${event.raw.length} bytes, ${algorithm} signature checked)`);
  }

  onUnsubscriptionVerification({ challenge }: UnsubscriptionVerification): void {
    say('subscriber', `is asked by the hub whether it wants that, and echoes the challenge ${short(challenge)}`);
  }
}

const directory = await mkdtemp(join(tmpdir(), 'websub-demo-'));
try {
  await demonstrate();
} finally {
  await hub.close();
  await printingHubSide;
  await rm(directory, { recursive: true, force: true });
}

async function demonstrate(): Promise<void> {
  await using runtime = await startService(News, {
    host: '127.0.0.1',
    port: 0,
    store: `lmdb://${encodeURI(directory)}`,
    logger: false,
    gracefulShutdownSeconds: 5,
    handleSignals: false,
  });
  await runtime.ready({ timeoutMs: 10_000 });
  await hub.verified(topic);
  const [{ leaseSeconds = 0, renewsAt } = {}] = await runtime.subscriptions.find();
  say(
    'subscriber',
    `is subscribed for ${inWords(leaseSeconds)}; renews by itself around ${renewsAt?.toLocaleString()}`,
  );

  for (const title of NEWS) await publish(title);
  if (!isOnce) await publishUntilInterrupted();

  // The terminal printed ^C at the start of this line.
  if (process.stdout.isTTY && interrupted.signal.aborted) console.log();
  say('subscriber', 'stops, and asks the hub to end the subscription');
  await runtime.stop();
  await hub.settled();
  const isOver = hub.subscriptions.every(({ state }) => state === 'unsubscribed');
  say('demo', isOver ? 'Unsubscribed: the hub will send nothing more.' : 'The hub did not verify the unsubscription.');
  if (!isOver || (isOnce && titles.length < NEWS.length)) process.exitCode = 1;
}

async function publishUntilInterrupted(): Promise<void> {
  if (interrupted.signal.aborted) return;
  say('demo', 'That was it. More news comes every few seconds; Ctrl-C unsubscribes and ends the demo.');
  for (let count = 1; !interrupted.signal.aborted; count += 1) {
    await pause(SLOW_PAUSE_MS);
    await publish(`Another cup, number ${count}`);
  }
}

async function publish(title: string): Promise<void> {
  if (interrupted.signal.aborted) return;
  say('publisher', `publishes "${title}"`);
  await topic.publish(JSON.stringify({ title }));
  await pause(PAUSE_MS);
}

async function pause(milliseconds: number): Promise<void> {
  await delay(milliseconds, undefined, { signal: interrupted.signal }).catch(() => {});
}
