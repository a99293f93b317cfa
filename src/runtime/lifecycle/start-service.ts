import { decodeEvent } from '../../delivery/inbox/stored-event.js';
import { embeddedEngine, type EmbeddedEngineOptions } from '../../engine/embedded-engine.js';
import type { Engine } from '../../engine/engine.js';
import { WebSubError, type StoreError } from '../../errors.js';
import { attach } from '../../http/listen/attach.js';
import { unfailing, type Logger } from '../../logger.js';
import { openStore } from '../../store/open-store.js';
import { resealing } from '../../store/sealing/resealer.js';
import { sealedStore } from '../../store/sealing/sealed-store.js';
import { waitForOwner } from '../../store/owner/wait-for-owner-lock.js';
import { readStored } from '../../subscription/record/subscription-codec.js';
import { runAll } from './wait-limits.js';
import { bounded } from '../logging/throttled-logger.js';
import { refuseSharedPaths } from '../../reconcile/callback-paths.js';
import { checkOptions, type CheckedOptions } from '../config/check-options.js';
import { resolveServices } from '../services/resolve-services.js';
import { Core, type RunningService } from '../core.js';
import { loggerFrom } from '../logging/default-logger.js';
import { definitionsOf, type ServiceDefinition } from '../services/definition.js';
import { mayAskAtOnce, sendFirstRequests } from './first-requests.js';
import { gate, type Gate } from './startup-gate.js';
import { hostServer } from './host-server.js';
import { loadPackages } from './load-packages.js';
import { warnOfNearHandlers } from '../config/misspelled-handlers.js';
import { ownListener } from './start-listener.js';
import { portOf, publicAddress } from './public-address.js';
import { reachOf } from './reachability-hint.js';
import { Runtime } from '../runtime.js';
import { handleSignals } from './signals.js';
import type { StartOptions } from '../config/start-options.js';
import { noteStop } from './log-stop-behavior.js';
import type { ServiceReference, SubscriberRuntime } from '../subscriber-runtime.js';

/** What tests put in the place of the world. */
export interface Seams {
  readonly now: () => number;
  readonly random: () => number;
  readonly engine: (options: EmbeddedEngineOptions) => Engine;
  readonly env: NodeJS.ProcessEnv;
}

const WORLD: Seams = { now: Date.now, random: Math.random, engine: embeddedEngine, env: process.env };

/**
 * Starts services: listens for callbacks, subscribes what they declare, and keeps it subscribed.
 *
 * @example
 * ```ts
 * const runtime = await startService(News, { port: 9090, publicUrl: 'https://me.example.com' });
 * ```
 *
 * @returns when callbacks are answered, every first request has left or is scheduled, and all packages are loaded
 * @throws ConfigurationError for services or options that are wrong
 * @throws StoreError when the store cannot be opened, another process owns it (after `waitForStoreSeconds`), or it is sealed with a key that was not given
 * @throws ListenerError when the port cannot be listened on, or the tunnel not opened
 * @throws ResourceDiscoveryFailedError and SubscriptionInitiationError, with `failFast`
 */
export async function startService(
  services: ServiceReference | readonly ServiceReference[],
  options: StartOptions = {},
): Promise<SubscriberRuntime> {
  return start(services, options, WORLD);
}

/** {@link startService} in a world of the caller's. */
export async function start(
  services: ServiceReference | readonly ServiceReference[],
  options: StartOptions,
  { now, random, engine: makeEngine, env }: Seams,
): Promise<SubscriberRuntime> {
  const definitions = definitionsOf(services);
  refuseSharedPaths(definitions.map(({ config }) => config));
  const checked = checkOptions(options, env);
  const given = loggerFrom(checked.logger, env['LOG_LEVEL'], env);
  const logger = bounded(unfailing(given), { now });
  // Closed last: the lines left out are counted to the end.
  const opened: (() => unknown)[] = [() => logger.flush()];
  let runtime: Runtime | undefined;
  let way: Gate | undefined;
  let lost: StoreError | undefined;
  const refuseLost = (): void => {
    if (lost !== undefined) throw lost;
  };
  try {
    const plain = await openStore(checked.store, { logger, timeoutMs: checked.security.storeTimeoutMs });
    opened.push(() => plain.close());
    const sealed = sealedStore(plain, checked.sealKeys);
    const store = sealed.records;
    const sealing = resealing(sealed, { logger, check: { subscription: readStored, event: decodeEvent } });
    const onLost = (error: StoreError): void => {
      lost = error;
      logger.fatal({ err: error }, 'another process has taken the store over: stopping');
      void sealing.stop();
      runtime?.lost();
    };
    const settle = checked.store === 'memory' ? { settleMs: 0 } : {};
    const wait = { waitMs: checked.waitForStoreSeconds * 1000, logger };
    const owner = await waitForOwner(store, { now, onLost, ...settle }, wait);
    opened.push(() => owner.release());
    opened.push(() => sealing.stop());
    const sealedWith = sealed.key === undefined ? {} : { sealedWith: sealed.key.id };
    logger.info({ store: store.location, durable: store.durable, ...sealedWith }, 'state is kept here');

    const onError = (error: unknown): void => logger.error({ err: error }, 'a timer failed: the next one goes on');
    const engine = makeEngine({ now, onError });
    const core = new Core({
      store,
      engine,
      logger,
      now,
      random,
      schedule: checked.schedule,
      pruneDeclared: checked.pruneDeclared,
      security: checked.security,
      basePath: checked.basePath,
    });
    if (mayAskAtOnce(checked)) core.begun.open();
    way = gate(core.app.nodeHandler);
    const listener = await ownListener(way.nodeHandler, checked, logger);
    if (listener !== undefined) opened.push(() => listener.close({ force: true }));
    const port = listener?.port ?? (checked.server === undefined ? undefined : portOf(checked.server));
    const { url, tunnel } = await publicAddress(checked, port, logger);
    if (tunnel !== undefined) opened.push(() => tunnel.close());

    const host = checked.server && hostServer(checked.server);
    refuseLost();
    runtime = new Runtime({
      core,
      engine,
      logger,
      url,
      port,
      listener,
      host,
      reach: reachOf(checked, url, port),
      opened,
      now,
      graceSeconds: checked.gracefulShutdownSeconds,
    });
    const running = instantiate(definitions, checked, runtime, given);
    for (const { config, handlers } of running) warnOfNearHandlers(config.name, handlers, logger);
    const handlesSignals = checked.handleSignals ?? listener !== undefined;
    noteStop(running, { isDurable: store.durable, handlesSignals }, logger);
    await core.load(running, url + checked.basePath);
    const { nodeHandler } = way;
    if (checked.server !== undefined) opened.push(attach(checked.server, { ...core.app, nodeHandler }));
    way.loaded();
    await runtime.startServices();
    refuseLost();
    if (runtime.isStopping) throw new WebSubError('The runtime was stopped before it had started.');
    way.started();
    sealing.begin();
    const started = runtime;
    if (handlesSignals) started.onStop(handleSignals(() => started.stop()));
    const loading = loadPackages({ logger, isStopping: () => started.isStopping });
    await sendFirstRequests({ core, engine, runtime, logger }, checked);
    await loading;
    return runtime;
  } catch (error) {
    await way?.fail();
    if (runtime === undefined) await runAll(opened.toReversed(), logger, 'something could not be closed');
    else await runtime.stopNow();
    throw error;
  }
}

function instantiate(
  definitions: readonly ServiceDefinition[],
  { container }: CheckedOptions,
  runtime: SubscriberRuntime,
  logger: Logger,
): readonly RunningService[] {
  const instances = resolveServices(definitions, container, { logger, runtime });
  return definitions.flatMap(({ name, config }) => {
    const handlers = instances.get(name);
    return handlers === undefined ? [] : [{ config, handlers }];
  });
}
