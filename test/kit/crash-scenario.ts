import type {
  ServiceReference,
  StartOptions,
  Grant,
  Subscription,
  SubscriberRuntime,
  SubscriberServiceConfig,
} from 'websub-subscriber';
import { TestHub, type HubFaults, type HubTopic } from 'websub-subscriber/testing';
import { DAY_MS } from './durations.js';
import { FakeWorld } from './fake-world.js';
import { unusedPort } from './ports.js';
import { recordingService } from './recording-service.js';
import { SimulatedProcess, type Disk } from './simulated-process.js';
import { untilIdle } from './until-idle.js';

/** Everything that outlives the process: the clock, the hubs, the store and the port. */
export interface Environment {
  readonly world: FakeWorld;
  readonly hub: TestHub;
  /** A second hub. */
  readonly secondHub: TestHub;
  /** The service's target. */
  readonly topic: HubTopic;
  /** A second topic at `hub`. */
  readonly secondTopic: HubTopic;
  readonly disk: Disk;
  readonly port: number;
}

/** How the service is declared and started. */
export type ServiceSetup = (environment: Environment) => {
  readonly config?: SubscriberServiceConfig;
  /** Whether the topic is the service's declared target. @default true */
  readonly isDeclared?: boolean;
  readonly options?: StartOptions;
};

/** A call that a user makes to the runtime. */
export type UserCall = (
  runtime: SubscriberRuntime,
  service: ServiceReference,
  environment: Environment,
) => Promise<unknown>;

/** A change of the subscription that must complete, at whatever step the process crashes. */
export interface CrashScenario {
  readonly name: string;
  readonly faults?: HubFaults;
  /** A process before, which does not crash. It subscribes the service and makes the call. */
  readonly before?: {
    readonly arrange?: (environment: Environment) => void;
    readonly setup?: ServiceSetup;
    readonly call?: UserCall;
  };
  /** Changes the environment before the process that crashes. Only verifications after it count. */
  readonly change?: (environment: Environment) => void;
  readonly setup?: ServiceSetup;
  /** Without a call the change begins with the start, or when time passes. */
  readonly call?: UserCall;
  readonly desired: 'subscribed' | 'unsubscribed';
  /** The hubs and topics that must be subscribed if the service is. */
  readonly wanted: readonly string[];
  /** The number of callbacks that a hub gets for one topic. @default 1 */
  readonly callbacks?: number;
}

/** The state after the crashes, and the expected one. */
export interface Outcome {
  readonly actual: object;
  readonly expected: object;
  /** Whether the last process completed without a crash, because it has fewer steps. */
  readonly isComplete: boolean;
}

/** A running service. */
interface Running {
  readonly process: SimulatedProcess;
  /** Undefined if the process crashed before it had started. */
  readonly runtime: SubscriberRuntime | undefined;
  readonly service: ServiceReference;
  readonly received: readonly string[];
}

/**
 * Runs a scenario in a process that crashes at the first step, then lets another process recover. With a second step,
 * a process that crashes there runs in between.
 */
export async function runWithCrashAt(
  scenario: CrashScenario,
  [step, secondStep]: readonly [number, number?],
): Promise<Outcome> {
  const world = new FakeWorld();
  const now = (): number => world.now;
  await using hub = await TestHub.start({ now, ...scenario.faults });
  await using secondHub = await TestHub.start({ now, ...scenario.faults });
  const topics = { topic: hub.topic('/feed'), secondTopic: hub.topic('/moved') };
  const environment = { world, hub, secondHub, ...topics, disk: new Map<string, unknown>(), port: await unusedPort() };
  if (scenario.before !== undefined) await runBefore(environment, scenario.before);
  scenario.change?.(environment);
  const since = scenario.change === undefined ? 0 : world.now;

  const crashed = [await runCrashing(environment, scenario, since, step, scenario.call)];
  if (secondStep !== undefined) crashed.push(await runCrashing(environment, scenario, since, secondStep));
  const outcome = await runRecovering(environment, scenario, since, crashed[0]?.isResolved === true);
  const crashedAt = crashed
    .map(({ steps, isComplete }) => (isComplete ? 'its end' : `${steps.length}: ${steps.at(-1)}`))
    .join(', then ');
  const isComplete = crashed.at(-1)?.isComplete === true;
  return { actual: { crashedAt, ...outcome.actual }, expected: { crashedAt, ...outcome.expected }, isComplete };
}

async function startService(environment: Environment, setup?: ServiceSetup, crashesAt?: number): Promise<Running> {
  const { disk, world, port, topic } = environment;
  const { config, options, isDeclared = true } = setup?.(environment) ?? {};
  const process = await SimulatedProcess.start(disk, port, crashesAt);
  const { dispatcher, server, store } = process;
  const httpConfig = { dispatcher };
  const { service, received } = recordingService({
    ...(isDeclared ? { target: topic.url } : {}),
    unsubscribeOnShutdown: false,
    httpConfig,
    discoveryConfig: { httpConfig },
    ...config,
  });
  const started = world.start(service, { port: undefined, server, store, ...options });
  const runtime = await Promise.race([started, process.crashed.then(() => undefined)]);
  return { process, runtime, service, received };
}

async function runBefore(
  environment: Environment,
  { arrange, setup, call }: NonNullable<CrashScenario['before']>,
): Promise<void> {
  arrange?.(environment);
  const { process, runtime, service } = await startService(environment, setup);
  await runtime?.ready({ timeoutMs: 5_000 });
  await settled(environment);
  if (runtime !== undefined) await call?.(runtime, service, environment);
  await settled(environment);
  await process.end();
}

/** Runs a process that crashes at a step, or completes if it has fewer steps. */
async function runCrashing(
  environment: Environment,
  scenario: CrashScenario,
  since: number,
  crashesAt: number,
  call?: UserCall,
): Promise<{ readonly steps: readonly string[]; readonly isComplete: boolean; readonly isResolved: boolean }> {
  const running = await startService(environment, scenario.setup, crashesAt);
  const { process, runtime, service } = running;
  let isResolved = false;
  if (runtime !== undefined && call !== undefined) {
    await Promise.race([call(runtime, service, environment), process.crashed]);
    isResolved = !process.hasCrashed;
  }
  await passUntilReached(environment, scenario, since, running);
  const isComplete = !process.hasCrashed;
  await process.end();
  await settled(environment);
  return { steps: process.steps, isComplete, isResolved };
}

/**
 * Runs the last process, which does not crash.
 *
 * @param isResolved whether the user's call resolved before the crash
 */
async function runRecovering(
  environment: Environment,
  scenario: CrashScenario,
  since: number,
  isResolved: boolean,
): Promise<Omit<Outcome, 'isComplete'>> {
  const { hub, secondHub, topic, secondTopic, world } = environment;
  const running = await startService(environment, scenario.setup);
  const { process, runtime, received } = running;
  if (runtime === undefined) throw new Error('the recovering process crashed');
  await passUntilReached(environment, scenario, since, running);
  for (const testHub of [hub, secondHub]) {
    for (const { url } of [topic, secondTopic]) await testHub.distribute(url, nameOf(environment, testHub, url));
  }
  const first = await stateOf(environment, runtime, since);
  const receivedAtFirst = received.toSorted();
  // The state must last, and the subscription must be renewed.
  world.advance(9 * DAY_MS);
  const laterSince = world.now;
  await passUntilReached(environment, scenario, laterSince, running);
  const later = await stateOf(environment, runtime, laterSince);
  await process.end();

  // A call that neither resolved nor was stored may be lost.
  const isCallKept = scenario.call === undefined || isResolved;
  const isWanted = (isCallKept ? scenario.desired : first.desired) === 'subscribed';
  const active = isWanted ? scenario.wanted.toSorted() : [];
  const expected = {
    desired: isWanted ? 'subscribed' : 'unsubscribed',
    active,
    verified: active,
    waiting: [],
    callbacks: Object.fromEntries(Object.keys(first.callbacks).map((name) => [name, scenario.callbacks ?? 1])),
    violations: [],
  };
  return {
    actual: { first, received: receivedAtFirst, later },
    expected: { first: expected, received: active, later: expected },
  };
}

/** Lets time pass until the desired state is reached, the process crashes, or half an hour is over. */
async function passUntilReached(
  environment: Environment,
  scenario: CrashScenario,
  since: number,
  { process, runtime }: Running,
): Promise<void> {
  const isReached = async (): Promise<boolean> => {
    const subscription = runtime && (await subscriptionIfAny(runtime));
    if (subscription === undefined) return true;
    const isWanted = subscription.desired === 'subscribed';
    const areGrantsFinal = subscription.grants.every(
      ({ state }) => state === 'unsubscribed' || (isWanted && state === 'active'),
    );
    const active = activeAt(environment, since);
    return areGrantsFinal && (!isWanted || scenario.wanted.every((name) => active.includes(name)));
  };
  for (let minute = 0; minute < 30 && !process.hasCrashed; minute += 1) {
    await settled(environment);
    if (process.hasCrashed || (await isReached())) return;
    environment.world.advance(61_000);
  }
}

async function settled({ hub, secondHub }: Environment): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await untilIdle();
    await Promise.all([hub.settled(), secondHub.settled()]);
  }
}

/** The only subscription. Undefined after it was pruned, unlike `onlySubscription()`, which rejects. */
export async function subscriptionIfAny(runtime: SubscriberRuntime): Promise<Subscription | undefined> {
  const [subscription, ...others] = await runtime.subscriptions.find();
  if (others.length > 0) throw new Error(`there are ${others.length + 1} subscriptions`);
  return subscription;
}

async function stateOf(environment: Environment, runtime: SubscriberRuntime, since: number) {
  const { desired = 'unsubscribed', grants = [], nextAttemptAt } = (await subscriptionIfAny(runtime)) ?? {};
  const isSatisfied = grants.some(({ state }) => state === 'active') && nextAttemptAt === undefined;
  const isFinal = ({ state, verifiedAt }: Grant): boolean =>
    state === 'active' || state === 'unsubscribed' || (isSatisfied && state === 'failed' && verifiedAt === undefined);
  return {
    desired,
    active: activeAt(environment),
    /** Like `active`, but verified since a time. */
    verified: activeAt(environment, since),
    /**
     * The states of grants that still wait for something. A failed grant that was never verified is final while another
     * grant works: its hub is not requested again.
     */
    waiting: grants.filter((grant) => !isFinal(grant)).map(({ state }) => state),
    callbacks: callbacksAt(environment),
    violations: [...environment.hub.violations, ...environment.secondHub.violations],
  };
}

/** The hubs and topics that are subscribed now and were verified since a time. */
function activeAt(environment: Environment, since = 0): readonly string[] {
  return [environment.hub, environment.secondHub]
    .flatMap((testHub) =>
      testHub.subscriptions.flatMap(({ state, topic, verifiedAt }) =>
        state === 'active' && (verifiedAt?.getTime() ?? 0) >= since ? nameOf(environment, testHub, topic) : [],
      ),
    )
    .toSorted();
}

/** The number of callbacks that each hub got for each topic. */
function callbacksAt(environment: Environment): Readonly<Record<string, number>> {
  const callbacksOf = new Map<string, Set<string | null>>();
  for (const testHub of [environment.hub, environment.secondHub]) {
    for (const { method, form } of testHub.requests) {
      if (method !== 'POST') continue;
      const name = nameOf(environment, testHub, form.get('hub.topic'));
      callbacksOf.set(name, (callbacksOf.get(name) ?? new Set()).add(form.get('hub.callback')));
    }
  }
  return Object.fromEntries([...callbacksOf].map(([name, callbacks]) => [name, callbacks.size]));
}

function nameOf({ hub, topic }: Environment, testHub: TestHub, url: string | null): string {
  return `${testHub === hub ? 'hub' : 'other'} ${url === topic.url ? 'topic' : 'moved'}`;
}
