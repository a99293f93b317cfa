import {
  defineSubscriber,
  discover,
  Logger,
  ResourceDiscoveryFailedError,
  startService,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type SubscriberRuntime,
} from '../../../src/index.js';
import { answerCalls, stringsOf } from '../../bench/calls.js';
import { CountingRows } from './counting-rows.js';
import { SlowKeyv } from './slow-keyv.js';
import { Watch } from './watch.js';

/** Setup of the service under attack. */
export interface Setup {
  readonly targets: readonly string[];
  /** Secret that signs content. Without it, content is unsigned. */
  readonly secret?: string;
  readonly mode?: 'inline' | 'queued';
  /** Milliseconds the store takes for a write. @default 0 */
  readonly writeMs?: number;
  /** Folder of the default store. Without it the store is in memory, and `writeMs` applies. */
  readonly directory?: string;
  /** Whether the handler logs a line for each event. */
  readonly isTalkative?: boolean;
  /** Whether the handler reads the entries of each event. */
  readonly isReading?: boolean;
  readonly delivery?: Pick<DeliveryConfig, 'dedupe' | 'pollSeconds'>;
}

const rows = new CountingRows();
const watch = new Watch();
let setup: Setup = { targets: [] };
let runtime: SubscriberRuntime | undefined;
let events = 0;
let pushed = 0;
let handled = 0;
let entries = 0;
let verifications = 0;

class Service {
  constructor(private readonly logger: Logger) {}

  onEventNotification(event: ContentDistributionMessage): Promise<void> | void {
    events += 1;
    if (event.source === 'hub') pushed += 1;
    if (setup.isTalkative === true) this.logger.info({ filling: 'x'.repeat(1_000) }, 'an event');
    return setup.isReading === true ? this.#read(event) : undefined;
  }

  async #read(event: ContentDistributionMessage): Promise<void> {
    try {
      entries += (await event.entries()).length;
    } catch (error) {
      // The feed exceeds a bound, which is the purpose of the test.
      if (!(error instanceof RangeError)) throw error;
    } finally {
      handled += 1;
    }
  }

  onSubscriptionVerification(): void {
    verifications += 1;
  }
}

/** Starts the service and returns the callback of each topic. */
async function start(): Promise<object> {
  const { targets, secret = false, mode = 'inline', writeMs = 0, directory, delivery = {} } = setup;
  const service = defineSubscriber(
    {
      name: 'Attacked',
      targets,
      secret,
      delivery: { mode, ...delivery },
      unsubscribeOnShutdown: false,
      inject: [Logger],
    },
    Service,
  );
  const memory = new SlowKeyv({ store: rows });
  memory.writeMs = writeMs;
  const store = directory === undefined ? memory : `lmdb://${directory}`;
  runtime = await startService(service, { port: 0, store, handleSignals: false });
  await runtime.ready({ timeoutMs: 60_000 });
  const callbacks: string[] = [];
  for await (const { callback } of runtime.subscriptions) if (callback !== undefined) callbacks.push(callback);
  return { callbacks: callbacks.join(' ') };
}

answerCalls({
  start(argument) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- sent by the scenario as it is
    setup = argument as Setup;
    return start();
  },
  begin() {
    watch.begin();
    return {};
  },
  collect() {
    watch.collect();
    return {};
  },
  lap: () => ({ gapMs: watch.lap() }),
  end: () => watch.end(),
  async discover(argument) {
    const { url } = stringsOf(argument, ['url']);
    try {
      await discover(url, { httpConfig: { timeoutMs: 60_000 } });
      return { outcome: 'found' };
    } catch (error) {
      if (error instanceof ResourceDiscoveryFailedError) return { outcome: error.reason };
      throw error;
    }
  },
  counts: () => ({ events, pushed, verifications, handled, entries, writes: rows.writes, bytes: rows.bytes }),
  break() {
    rows.isDown = true;
    return {};
  },
  mend() {
    rows.isDown = false;
    return {};
  },
  async restart() {
    await runtime?.stopNow();
    await start();
    return {};
  },
  async stop() {
    // The watching timer would keep the process alive.
    watch.end();
    await runtime?.stopNow();
    return {};
  },
});
