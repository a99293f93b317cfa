import * as fc from 'fast-check';
import type { SubscriptionEvent } from '../../src/subscription/events.js';
import { GOOD_MANNERS, type HubManners } from './hub-model.js';
import { DAY } from './life.js';
import { LONGEST_LEASE_MS, type Setup } from './model-watch.js';
import { HUBS, ModelWorld, TOPICS, type Publisher } from './model-world.js';
import { settled } from './timeline.js';

const HOUR = 3_600_000;

/** What happens in a run, one after the other. */
export type Command =
  | { readonly what: 'time passes'; readonly seconds: number }
  | { readonly what: 'a hub behaves'; readonly hub: number; readonly manners: HubManners }
  | { readonly what: 'the publisher says'; readonly publisher: Publisher }
  | { readonly what: 'a hub verifies unasked'; readonly which: number; readonly lease: string | undefined }
  | { readonly what: 'somebody would unsubscribe us'; readonly which: number }
  | { readonly what: 'a hub denies'; readonly which: number }
  | { readonly what: 'the handler refuses'; readonly mode: 'subscribe' | 'unsubscribe' | undefined }
  | { readonly what: 'the user'; readonly calls: UserCall; readonly secret: string; readonly lease: number | undefined }
  | { readonly what: 'the runtime stops'; readonly seconds: number; readonly down: number }
  | {
      readonly what: 'the process dies';
      readonly write: number;
      readonly isKept: boolean;
      readonly seconds: number;
      readonly down: number;
      readonly base: string;
    }
  | { readonly what: 'the clock is off by'; readonly milliseconds: number }
  | { readonly what: 'the store fails'; readonly writes: number; readonly isKept: boolean }
  | { readonly what: 'old ends are forgotten' };

type UserCall = 'subscribe' | 'retry' | 'unsubscribe' | 'delete' | 'renew' | 'reset counters';

const lease = fc.constantFrom('864000', '864000', '86400', '600', '10', undefined, '-1', 'soon', '99999999');
const which = fc.nat(5);
const seconds = fc.oneof(
  fc.constantFrom(0, 1, 3, 60, 61),
  fc.nat(100),
  fc.nat(8_000),
  fc.nat(90_000),
  fc.constantFrom(7 * 86_400, 10 * 86_400, 31 * 86_400),
);

const manners: fc.Arbitrary<HubManners> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(GOOD_MANNERS) },
  {
    weight: 5,
    arbitrary: fc.record({
      answer: fc.constantFrom(
        'accepts',
        'accepts',
        'accepts',
        'loses the answer',
        'refuses',
        'is busy',
        'is down',
        'moves',
      ),
      answerSeconds: fc.constantFrom(0, 1, 9),
      verifySeconds: fc.constantFrom(0, 0, 2, 30, 70, 400, 5_000, undefined),
      verifications: fc.constantFrom(1, 1, 2),
      lease,
      denies: fc.constantFrom(false, false, false, false, true),
      takesSecretAt: fc.constantFrom('request', 'verification'),
      retryAfterSeconds: fc.constantFrom(0, 120, 7_200),
    }),
  },
);

const publisher: fc.Arbitrary<Publisher> = fc.record({
  topic: fc.constantFrom(TOPICS[0], TOPICS[0], TOPICS[1]),
  hubs: fc.uniqueArray(fc.constantFrom(...HUBS), { minLength: 1 }),
  answers: fc.constantFrom(0, 0, 1, 8, 90, undefined),
});

export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ what: fc.constant('time passes'), seconds }) },
  { weight: 5, arbitrary: fc.record({ what: fc.constant('a hub behaves'), hub: fc.nat(2), manners }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('the publisher says'), publisher }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('a hub verifies unasked'), which, lease }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('somebody would unsubscribe us'), which }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('a hub denies'), which }) },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('the handler refuses'),
      mode: fc.constantFrom('subscribe', 'unsubscribe', undefined, undefined),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('the user'),
      calls: fc.constantFrom(
        'subscribe',
        'subscribe',
        'retry',
        'unsubscribe',
        'delete',
        'renew',
        'renew',
        'reset counters',
      ),
      secret: fc.constantFrom('', '', 'secret-one', 'secret-two'),
      lease: fc.constantFrom(undefined, undefined, 600, 864_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('the runtime stops'), seconds: fc.constantFrom(0, 2, 30), down: seconds }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('the process dies'),
      write: fc.nat(3),
      isKept: fc.boolean(),
      seconds: fc.constantFrom(0, 61, 90_000),
      down: seconds,
      base: fc.constantFrom('', '', '', 'https://other.example'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('the clock is off by'),
      milliseconds: fc.constantFrom(0, 0, -500, -HOUR, -DAY, -8 * DAY, -LONGEST_LEASE_MS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('the store fails'),
      writes: fc.integer({ min: 1, max: 4 }),
      isKept: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('old ends are forgotten') }) },
);

export const setup: fc.Arbitrary<Setup> = fc.record({
  seed: fc.nat(),
  hubs: fc.constantFrom('failover', 'failover', 'all'),
  maxAttempts: fc.constantFrom(Infinity, Infinity, Infinity, 4),
  protocol: fc.constantFrom('websub', 'websub', 'pubsubhubbub-0.3'),
  isGiven: fc.constantFrom(false, false, false, false, false, true),
});

/** Carries out a command; afterwards all is checked. */
export async function carryOut(world: ModelWorld, command: Command): Promise<void> {
  if (command.what !== 'time passes') world.note(JSON.stringify(command));
  switch (command.what) {
    case 'time passes':
      await world.pass(command.seconds * 1000);
      break;
    case 'a hub behaves': {
      const hub = world.hubs[command.hub];
      if (hub !== undefined) hub.manners = command.manners;
      break;
    }
    case 'the publisher says':
      world.publisher = command.publisher;
      break;
    case 'a hub verifies unasked':
    case 'somebody would unsubscribe us':
    case 'a hub denies':
      saidByHub(world, command);
      break;
    case 'the handler refuses':
      world.refusing = command.mode;
      break;
    case 'the user':
      await userCall(world, command);
      break;
    case 'the runtime stops':
      await stopped(world, command.seconds);
      await world.pass(command.down * 1000);
      await world.start();
      break;
    case 'the process dies':
      if (command.write > 0) {
        Object.assign(world.faults, { dyingAt: command.write, isKept: command.isKept });
        await world.pass(command.seconds * 1000);
      }
      world.kill();
      await world.pass(command.down * 1000);
      world.base = command.base === '' ? world.base : `${command.base}/websub`;
      await world.start();
      break;
    case 'the clock is off by':
      world.watch.onClockSet();
      world.skew = command.milliseconds;
      break;
    case 'the store fails':
      Object.assign(world.faults, { failing: command.writes, isKept: command.isKept });
      break;
    case 'old ends are forgotten':
      await forget(world);
      break;
  }
  await world.look();
}

function saidByHub(world: ModelWorld, { what, which, ...said }: Extract<Command, { which: number }>): void {
  const { grants } = world.record ?? { grants: [] };
  const grant = grants[which % Math.max(1, grants.length)];
  if (grant === undefined) return;
  const { topic, callback } = grant;
  const hub = world.hubOf(grant.hub);
  if (what === 'a hub denies') void hub.deny(topic, callback);
  else {
    const mode = what === 'a hub verifies unasked' ? 'subscribe' : 'unsubscribe';
    const isThere = hub.live.some((entry) => entry.callback === callback);
    // A hub verifies what it has; of anything else, somebody pretends to be one.
    const lease = 'lease' in said ? said.lease : undefined;
    if (isThere) void hub.verify({ mode, topic, callback, lease });
    else void world.process?.answer({ mode, topic, callback, lease });
  }
}

async function userCall(
  world: ModelWorld,
  { calls, secret, lease }: Extract<Command, { calls: UserCall }>,
): Promise<void> {
  const { watch } = world;
  watch.onUserCall();
  const overrides = { secret: secret === '' ? undefined : secret, leaseSeconds: lease };
  const events: Readonly<Record<UserCall, SubscriptionEvent>> = {
    subscribe: { type: 'retried', overrides },
    retry: { type: 'retried' },
    unsubscribe: { type: 'unwanted', why: 'unsubscribed' },
    delete: { type: 'unwanted', why: 'deleted' },
    renew: { type: 'renewal-wanted' },
    'reset counters': { type: 'counters-reset' },
  };
  if (calls === 'subscribe' || calls === 'retry') {
    const takeBack = watch.onRetry();
    if (!(await world.tell(events[calls]))) takeBack();
    return;
  }
  const isDone = await world.tell(events[calls]);
  if (isDone && (calls === 'unsubscribe' || calls === 'delete')) watch.onUnwanted(true);
}

async function stopped(world: ModelWorld, seconds: number): Promise<void> {
  const { process, watch } = world;
  if (process === undefined) return;
  process.isClosing = true;
  watch.onUnwanted(false);
  await world.tell({ type: 'unwanted', why: 'shutdown' });
  await world.pass(seconds * 1000);
  world.kill();
}

async function forget(world: ModelWorld): Promise<void> {
  const forgotten = world.process?.registry.sweep(world.now - 30 * DAY);
  forgotten?.catch(() => undefined);
  await settled();
}

/** A run: what happens, and then a time in which all goes well. */
export async function run(setup: Setup, commands: readonly Command[]): Promise<ModelWorld> {
  const world = new ModelWorld(setup);
  await world.start();
  for (const each of commands) {
    if (world.process === undefined) await world.start();
    await carryOut(world, each);
    if (world.watch.wrong.length > 0) return world;
  }
  if (world.process === undefined) await world.start();
  world.heal();
  await world.look();
  await settle(world);
  if (world.watch.wrong.length === 0) world.watch.checkEnd();
  return world;
}

/** Until every lease there is now has ended or been renewed, and what was renewed has been so again. */
async function settle(world: ModelWorld): Promise<void> {
  const { timeline, record, hubs, skew } = world;
  const ends = [
    ...(record?.grants ?? []).map(({ expiresAt = 0 }) => expiresAt - skew),
    ...hubs.flatMap((hub) => hub.live.map(({ leaseEnd }) => leaseEnd)),
  ];
  const longest = Math.max(0, ...ends.map((end) => end - timeline.now));
  const most = 300;
  const first = await world.pass(2 * DAY, most);
  world.watch.checkLeft();
  const events = first + (await world.pass(longest + 8 * DAY, most - first));
  if (events >= most) world.watch.wrong.push(`L2 nothing has settled after ${most} events`);
}
