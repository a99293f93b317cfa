/**
 * A publisher, a hub and a subscriber on this machine: three messages are published and received. On a terminal, more
 * messages follow until Ctrl-C. Elsewhere, and with `--once`, the demo then ends; `--stay` keeps it running.
 *
 * Run it with `node --import tsx demo.ts`
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { printRequests } from './demo/print-requests.js';
import { inWords, say } from './demo/say.js';

const MESSAGES = ['The kettle is on', 'The tea is ready', 'There is cake as well'];
const PAUSE_MS = 1_000;
const SLOW_PAUSE_MS = 5_000;

const isOnce = process.argv.includes('--once') || !(process.stdout.isTTY || process.argv.includes('--stay'));
const interrupted = new AbortController();
// npm forwards a Ctrl-C that this process also gets from the terminal. The second signal is the same key press.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

const hub = await TestHub.start();
const topic = hub.topic('/messages', { contentType: 'application/json', body: '{"text":"No message yet"}' });
say('hub', `listens at ${hub.url}`);
say('publisher', `serves ${topic.url}`);
const printing = printRequests(hub);

const received: string[] = [];

@SubscriberService({ target: topic.url, secret: 'auto', leaseSeconds: 86_400 })
class Messages {
  onEventNotification(event: ContentDistributionMessage): void {
    const { text } = event.json<{ text: string }>();
    received.push(text);
    const [algorithm] = event.headers.get('x-hub-signature')?.split('=') ?? [];
    say('subscriber', `received "${text}": ${event.raw.length} bytes, ${algorithm} signature valid`);
  }
}

const directory = await mkdtemp(join(tmpdir(), 'websub-demo-'));
try {
  await demonstrate();
} finally {
  await hub.close();
  await printing;
  await rm(directory, { recursive: true, force: true });
}

async function demonstrate(): Promise<void> {
  await using runtime = await startService(Messages, {
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
  say('subscriber', `subscribed for ${inWords(leaseSeconds)}; renews the lease at ${renewsAt?.toLocaleString()}`);

  for (const text of MESSAGES) await publish(text);
  if (!isOnce) await publishUntilInterrupted();

  // The terminal printed ^C at the start of this line.
  if (process.stdout.isTTY && interrupted.signal.aborted) console.log();
  say('subscriber', 'stops');
  await runtime.stop();
  await hub.settled();
  const isOver = hub.subscriptions.every(({ state }) => state === 'unsubscribed');
  say(
    'demo',
    isOver ? 'Unsubscribed: the hub delivers nothing more.' : 'The hub did not verify the unsubscribe request.',
  );
  if (!isOver || (isOnce && received.length < MESSAGES.length)) process.exitCode = 1;
}

async function publishUntilInterrupted(): Promise<void> {
  if (interrupted.signal.aborted) return;
  say('demo', 'More messages follow every few seconds. Ctrl-C unsubscribes and ends the demo.');
  for (let count = 1; !interrupted.signal.aborted; count += 1) {
    await pause(SLOW_PAUSE_MS);
    await publish(`Another cup, number ${count}`);
  }
}

async function publish(text: string): Promise<void> {
  if (interrupted.signal.aborted) return;
  say('publisher', `publishes "${text}"`);
  await topic.publish(JSON.stringify({ text }));
  await pause(PAUSE_MS);
}

async function pause(milliseconds: number): Promise<void> {
  await delay(milliseconds, undefined, { signal: interrupted.signal }).catch(() => {});
}
