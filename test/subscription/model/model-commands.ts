import * as fc from 'fast-check';
import type { TransitionInput } from '../../../src/subscription/machine/transition-types.js';
import { forge, forgedSeries, type ForgedSeries } from './forger.js';
import { GOOD_BEHAVIOR, type HubBehavior } from './hub-model.js';
import { DAY } from '../machine/subscription-machine.js';
import { LONGEST_LEASE_MS, type Setup } from './model-setup.js';
import { HUBS, ModelWorld, TOPICS, type Publisher } from './model-world.js';
import { settled } from '../machine/timeline.js';

const HOUR = 3_600_000;

/** The commands of a run, one after the other. */
export type Command =
  | { readonly type: 'time passes'; readonly seconds: number }
  | { readonly type: 'a hub behaves'; readonly hub: number; readonly behavior: HubBehavior }
  | { readonly type: 'the publisher says'; readonly publisher: Publisher }
  | { readonly type: 'a hub verifies unsolicited'; readonly which: number; readonly lease: string | undefined }
  | { readonly type: 'a hub unsubscribes us'; readonly which: number }
  | { readonly type: 'a hub denies'; readonly which: number; readonly isKept: boolean }
  | { readonly type: 'a hub delivers' | 'a hub errs'; readonly which: number }
  | { readonly type: 'a forger sends'; readonly forgedSeries: ForgedSeries }
  | { readonly type: 'the handler refuses'; readonly mode: 'subscribe' | 'unsubscribe' | undefined }
  | { readonly type: 'the user'; readonly calls: UserCall; readonly secret: string; readonly lease: number | undefined }
  | { readonly type: 'the runtime stops'; readonly seconds: number; readonly downSeconds: number }
  | {
      readonly type: 'the process dies';
      readonly write: number;
      readonly isKept: boolean;
      readonly seconds: number;
      readonly downSeconds: number;
      readonly base: string;
    }
  | { readonly type: 'the clock is off by'; readonly milliseconds: number }
  | { readonly type: 'the store fails'; readonly writes: number; readonly isKept: boolean }
  | { readonly type: 'tombstones are swept' };

type UserCall =
  | 'subscribe'
  | 'retry'
  | 'unsubscribe'
  | 'delete'
  | 'renew'
  | 'rotate secret'
  | 'rotate callback'
  | 'reset counters';

const lease = fc.constantFrom('864000', '864000', '86400', '600', '10', undefined, '-1', 'soon', '99999999');
const which = fc.nat(5);
const seconds = fc.oneof(
  fc.constantFrom(0, 1, 3, 60, 61),
  fc.nat(100),
  fc.nat(8_000),
  fc.nat(90_000),
  fc.constantFrom(7 * 86_400, 10 * 86_400, 31 * 86_400),
);

const behavior: fc.Arbitrary<HubBehavior> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(GOOD_BEHAVIOR) },
  {
    weight: 5,
    arbitrary: fc.record({
      answer: fc.constantFrom(
        'accepts',
        'accepts',
        'accepts',
        'loses the answer',
        'breaks',
        'refuses',
        'is busy',
        'is down',
        'moves',
      ),
      answerSeconds: fc.constantFrom(0, 1, 9),
      verifySeconds: fc.constantFrom(0, 0, 2, 30, 70, 400, 5_000, undefined),
      verifications: fc.constantFrom(1, 1, 2),
      lease,
      denies: fc.constantFrom(
        'nothing',
        'nothing',
        'nothing',
        'nothing',
        'and forgets',
        'and keeps',
        'renewals',
        'and verifies later',
      ),
      reportsError: fc.constantFrom(false, false, false, true),
      takesSecretAt: fc.constantFrom('request', 'verification'),
      retryAfterSeconds: fc.constantFrom(0, 120, 7_200),
    }),
  },
);

const publisher: fc.Arbitrary<Publisher> = fc.record({
  topic: fc.constantFrom(TOPICS[0], TOPICS[0], TOPICS[1]),
  hubs: fc.uniqueArray(fc.constantFrom(...HUBS), { minLength: 1 }),
  answerSeconds: fc.constantFrom(0, 0, 1, 8, 90, undefined),
});

export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant('time passes'), seconds }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('a hub behaves'), hub: fc.nat(2), behavior }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('the publisher says'), publisher }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('a hub verifies unsolicited'), which, lease }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('a hub unsubscribes us'), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('a hub denies'), which, isKept: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('a hub delivers', 'a hub errs'), which }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('a forger sends'), forgedSeries }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('the handler refuses'),
      mode: fc.constantFrom('subscribe', 'unsubscribe', undefined, undefined),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('the user'),
      calls: fc.constantFrom(
        'subscribe',
        'subscribe',
        'retry',
        'unsubscribe',
        'delete',
        'renew',
        'renew',
        'rotate secret',
        'rotate callback',
        'reset counters',
      ),
      secret: fc.constantFrom('', '', 'secret-one', 'secret-two'),
      lease: fc.constantFrom(undefined, undefined, 600, 864_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('the runtime stops'),
      seconds: fc.constantFrom(0, 2, 30),
      downSeconds: seconds,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('the process dies'),
      write: fc.nat(3),
      isKept: fc.boolean(),
      seconds: fc.constantFrom(0, 61, 90_000),
      downSeconds: seconds,
      base: fc.constantFrom('', '', '', 'https://other.example'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('the clock is off by'),
      milliseconds: fc.constantFrom(0, 0, -500, -HOUR, -DAY, -8 * DAY, -LONGEST_LEASE_MS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('the store fails'),
      writes: fc.integer({ min: 1, max: 4 }),
      isKept: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('tombstones are swept') }) },
);

/** How long requests wait for their turn, in seconds. Longer than a minute: their guard lapses meanwhile. */
const PACES = [0, 0, 0, 70];

export const setup: fc.Arbitrary<Setup> = fc
  .record({
    seed: fc.nat(),
    hubs: fc.constantFrom('failover', 'failover', 'all'),
    maxAttempts: fc.constantFrom(Infinity, Infinity, Infinity, 4),
    protocol: fc.constantFrom('websub', 'websub', 'pubsubhubbub-0.3'),
    isGiven: fc.constantFrom(false, false, false, false, false, true),
    afterDenial: fc.constantFrom('retry', 'retry', 'retry', 'stop'),
    rotateSecret: fc.constantFrom('never', 'never', 'never', 'renewal'),
    rotateCallback: fc.constantFrom('never', 'never', 'never', 'renewal'),
    forgerStays: fc.boolean(),
  })
  .map((chosen) => ({ ...chosen, paceSeconds: PACES[chosen.seed % PACES.length] ?? 0 }));

/** Runs a command, then checks everything. */
export async function runCommand(world: ModelWorld, command: Command): Promise<void> {
  if (command.type !== 'time passes') world.note(JSON.stringify(command));
  switch (command.type) {
    case 'time passes':
      await world.advance(command.seconds * 1000);
      break;
    case 'a hub behaves': {
      const hub = world.hubs[command.hub];
      if (hub !== undefined) hub.behavior = command.behavior;
      break;
    }
    case 'the publisher says':
      world.publisher = command.publisher;
      break;
    case 'a hub verifies unsolicited':
    case 'a hub unsubscribes us':
    case 'a hub denies':
    case 'a hub delivers':
    case 'a hub errs':
      runHubCommand(world, command);
      break;
    case 'a forger sends':
      forge(world, command.forgedSeries);
      break;
    case 'the handler refuses':
      world.refusedMode = command.mode;
      break;
    case 'the user':
      await runUserCall(world, command);
      break;
    case 'the runtime stops':
      await stop(world, command.seconds);
      await world.advance(command.downSeconds * 1000);
      await world.start();
      break;
    case 'the process dies':
      if (command.write > 0) {
        Object.assign(world.faults, { dyingAt: command.write, isKept: command.isKept });
        await world.advance(command.seconds * 1000);
      }
      world.kill();
      await world.advance(command.downSeconds * 1000);
      if (command.base !== '') {
        world.base = `${command.base}/websub`;
        world.watch.onUpset();
      }
      await world.start();
      break;
    case 'the clock is off by':
      world.watch.onUpset();
      world.skew = command.milliseconds;
      break;
    case 'the store fails':
      Object.assign(world.faults, { failing: command.writes, isKept: command.isKept });
      break;
    case 'tombstones are swept':
      await sweepTombstones(world);
      break;
  }
  await world.runDueWork();
}

/** An unsolicited request of a hub, for one of its subscriptions. */
function runHubCommand(world: ModelWorld, hubCommand: Extract<Command, { which: number }>): void {
  const { type, which } = hubCommand;
  const subscriptions = world.hubs.flatMap((hub) => hub.live.map((entry) => ({ hub, entry })));
  const chosen = subscriptions[which % Math.max(1, subscriptions.length)];
  if (chosen === undefined) return;
  const { hub, entry } = chosen;
  const { topic, callback, secret } = entry;
  switch (type) {
    case 'a hub verifies unsolicited':
      return void hub.verify({ mode: 'subscribe', topic, callback, lease: hubCommand.lease });
    case 'a hub unsubscribes us':
      return void hub.verify({ mode: 'unsubscribe', topic, callback });
    case 'a hub denies':
      return void hub.deny(topic, callback, hubCommand.isKept);
    case 'a hub errs':
      return void world.process?.answer({ mode: 'hub-error', topic, callback });
    case 'a hub delivers':
      world.note(`content is answered ${world.process?.content(callback, secret)}`);
  }
}

async function runUserCall(
  world: ModelWorld,
  { calls, secret, lease }: Extract<Command, { calls: UserCall }>,
): Promise<void> {
  const { watch } = world;
  if (calls === 'reset counters') watch.onReset();
  else watch.onUserCall();
  const overrides = { secret: secret === '' ? undefined : secret, leaseSeconds: lease };
  const inputs: Readonly<Record<UserCall, TransitionInput>> = {
    subscribe: { type: 'retried', overrides },
    retry: { type: 'retried' },
    unsubscribe: { type: 'unwanted', why: 'unsubscribed' },
    delete: { type: 'unwanted', why: 'deleted' },
    renew: { type: 'renewal-wanted' },
    'rotate secret': { type: 'rotation-wanted', rotate: 'secret' },
    'rotate callback': { type: 'rotation-wanted', rotate: 'callback' },
    'reset counters': { type: 'counters-reset' },
  };
  if (calls === 'subscribe' || calls === 'retry') {
    const undo = watch.onRetry();
    if (!(await world.applyInput(inputs[calls]))) undo();
    return;
  }
  const isDone = await world.applyInput(inputs[calls]);
  if (isDone && (calls === 'unsubscribe' || calls === 'delete')) watch.onUnwanted(true);
}

async function stop(world: ModelWorld, seconds: number): Promise<void> {
  const { process, watch } = world;
  if (process === undefined) return;
  process.beginStop();
  watch.onUnwanted(false);
  await world.applyInput({ type: 'unwanted', why: 'shutdown' });
  await world.advance(seconds * 1000);
  world.kill();
}

async function sweepTombstones(world: ModelWorld): Promise<void> {
  const sweep = world.process?.registry.sweep(world.now - 30 * DAY);
  sweep?.catch(() => undefined);
  await settled();
}

/** A run: the commands, and then a time in which nothing fails. */
export async function run(setup: Setup, commands: readonly Command[]): Promise<ModelWorld> {
  const world = new ModelWorld(setup);
  await world.start();
  for (const each of commands) {
    if (world.process === undefined) await world.start();
    await runCommand(world, each);
    if (world.watch.violations.length > 0) return world;
  }
  if (world.process === undefined) await world.start();
  world.heal();
  await world.runDueWork();
  await settle(world);
  if (world.watch.violations.length === 0) world.watch.checkEnd();
  return world;
}

/** Enough steps for everything to become active and continue for a while. */
const MAX_STEPS = 300;

/** The forged requests that are sent when everything else works. */
const LAST_FORGED_SERIES: readonly ForgedSeries[] = [
  { forgedRequests: [{ kind: 'denied' }], copies: 3, times: 1, everySeconds: 1, which: 99 },
  {
    forgedRequests: [{ kind: 'subscribe', lease: '1' }, { kind: 'hub-error' }],
    copies: 2,
    times: 1,
    everySeconds: 1,
    which: 99,
  },
  {
    forgedRequests: [{ kind: 'denied' }, { kind: 'subscribe', lease: '31536000' }],
    copies: 1,
    times: 1,
    everySeconds: 1,
    which: 99,
  },
];

/** Until every current lease has ended or been renewed, and every renewed one was renewed again. */
async function settle(world: ModelWorld): Promise<void> {
  const { timeline, record, hubs, skew } = world;
  const ends = [
    ...(record?.grants ?? []).map(({ expiresAt = 0 }) => expiresAt - skew),
    ...hubs.flatMap((hub) => hub.live.map(({ leaseEnd }) => leaseEnd)),
  ];
  const longest = Math.max(0, ...ends.map((end) => end - timeline.now));
  // Each wait for a turn is a step, too.
  let stepsLeft = world.setup.paceSeconds > 0 ? 2 * MAX_STEPS : MAX_STEPS;
  const advance = async (milliseconds: number): Promise<void> =>
    void (stepsLeft -= await world.advance(milliseconds, stepsLeft));
  await advance(2 * DAY);
  world.watch.checkAfterTwoDays();
  if (world.setup.forgerStays) {
    for (const forgedSeries of LAST_FORGED_SERIES) {
      forge(world, forgedSeries);
      await world.runDueWork();
      await advance(HOUR / 6);
      world.watch.checkAfterForger();
      await advance(HOUR);
    }
  }
  await advance(longest + 8 * DAY);
  if (stepsLeft <= 0) world.watch.violations.push(`L2 not settled after ${MAX_STEPS} steps`);
}
