import * as fc from 'fast-check';
import type { SubscriptionEvent } from '../../../src/subscription/machine/events.js';
import { forge, salvo, type Salvo } from './forger.js';
import { GOOD_MANNERS, type HubManners } from './hub-model.js';
import { DAY } from '../machine/life.js';
import { LONGEST_LEASE_MS, type Setup } from './model-setup.js';
import { HUBS, ModelWorld, TOPICS, type Publisher } from './model-world.js';
import { settled } from '../machine/timeline.js';

const HOUR = 3_600_000;

/** What happens in a run, one after the other. */
export type Command =
  | { readonly what: 'time passes'; readonly seconds: number }
  | { readonly what: 'a hub behaves'; readonly hub: number; readonly manners: HubManners }
  | { readonly what: 'the publisher says'; readonly publisher: Publisher }
  | { readonly what: 'a hub verifies unasked'; readonly which: number; readonly lease: string | undefined }
  | { readonly what: 'a hub unsubscribes us'; readonly which: number }
  | { readonly what: 'a hub denies'; readonly which: number; readonly isKept: boolean }
  | { readonly what: 'a hub delivers' | 'a hub errs'; readonly which: number }
  | { readonly what: 'a forger sends'; readonly salvo: Salvo }
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
      errs: fc.constantFrom(false, false, false, true),
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
  { weight: 1, arbitrary: fc.record({ what: fc.constant('a hub unsubscribes us'), which }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('a hub denies'), which, isKept: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constantFrom('a hub delivers', 'a hub errs'), which }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constant('a forger sends'), salvo }) },
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
  afterDenial: fc.constantFrom('retry', 'retry', 'retry', 'stop'),
  rotateSecret: fc.constantFrom('never', 'never', 'never', 'renewal'),
  rotateCallback: fc.constantFrom('never', 'never', 'never', 'renewal'),
  forgerStays: fc.boolean(),
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
    case 'a hub unsubscribes us':
    case 'a hub denies':
    case 'a hub delivers':
    case 'a hub errs':
      saidByHub(world, command);
      break;
    case 'a forger sends':
      forge(world, command.salvo);
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
    case 'old ends are forgotten':
      await forget(world);
      break;
  }
  await world.look();
}

/** What a hub says of its own accord, about one of the callbacks it has. */
function saidByHub(world: ModelWorld, said: Extract<Command, { which: number }>): void {
  const { what, which } = said;
  const known = world.hubs.flatMap((hub) => hub.live.map((entry) => ({ hub, entry })));
  const one = known[which % Math.max(1, known.length)];
  if (one === undefined) return;
  const { hub, entry } = one;
  const { topic, callback, secret } = entry;
  switch (what) {
    case 'a hub verifies unasked':
      return void hub.verify({ mode: 'subscribe', topic, callback, lease: said.lease });
    case 'a hub unsubscribes us':
      return void hub.verify({ mode: 'unsubscribe', topic, callback });
    case 'a hub denies':
      return void hub.deny(topic, callback, said.isKept);
    case 'a hub errs':
      return void world.process?.answer({ mode: 'hub-error', topic, callback });
    case 'a hub delivers':
      world.note(`content is answered ${world.process?.content(callback, secret)}`);
  }
}

async function userCall(
  world: ModelWorld,
  { calls, secret, lease }: Extract<Command, { calls: UserCall }>,
): Promise<void> {
  const { watch } = world;
  if (calls === 'reset counters') watch.onReset();
  else watch.onUserCall();
  const overrides = { secret: secret === '' ? undefined : secret, leaseSeconds: lease };
  const events: Readonly<Record<UserCall, SubscriptionEvent>> = {
    subscribe: { type: 'retried', overrides },
    retry: { type: 'retried' },
    unsubscribe: { type: 'unwanted', why: 'unsubscribed' },
    delete: { type: 'unwanted', why: 'deleted' },
    renew: { type: 'renewal-wanted' },
    'rotate secret': { type: 'rotation-wanted', what: 'secret' },
    'rotate callback': { type: 'rotation-wanted', what: 'callback' },
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

/** So many events are enough for all to come about, and go on for a while. */
const MOST_EVENTS = 300;

/** What a forger sends when all else is well. */
const LAST_SALVOS: readonly Salvo[] = [
  { sends: [{ kind: 'denied' }], atOnce: 3, times: 1, everySeconds: 1, which: 99 },
  {
    sends: [{ kind: 'subscribe', lease: '1' }, { kind: 'hub-error' }],
    atOnce: 2,
    times: 1,
    everySeconds: 1,
    which: 99,
  },
  {
    sends: [{ kind: 'denied' }, { kind: 'subscribe', lease: '31536000' }],
    atOnce: 1,
    times: 1,
    everySeconds: 1,
    which: 99,
  },
];

/** Until every lease there is now has ended or been renewed, and what was renewed has been so again. */
async function settle(world: ModelWorld): Promise<void> {
  const { timeline, record, hubs, skew } = world;
  const ends = [
    ...(record?.grants ?? []).map(({ expiresAt = 0 }) => expiresAt - skew),
    ...hubs.flatMap((hub) => hub.live.map(({ leaseEnd }) => leaseEnd)),
  ];
  const longest = Math.max(0, ...ends.map((end) => end - timeline.now));
  let left = MOST_EVENTS;
  const pass = async (milliseconds: number): Promise<void> => void (left -= await world.pass(milliseconds, left));
  await pass(2 * DAY);
  world.watch.checkCome();
  if (world.setup.forgerStays) {
    for (const salvo of LAST_SALVOS) {
      forge(world, salvo);
      await world.look();
      await pass(HOUR / 6);
      world.watch.checkUndone();
      await pass(HOUR);
    }
  }
  await pass(longest + 8 * DAY);
  if (left <= 0) world.watch.wrong.push(`L2 nothing has settled after ${MOST_EVENTS} events`);
}
