import { decodeEvent } from '../../delivery/inbox/stored-event.js';
import { embeddedEngine, type EmbeddedEngineOptions } from '../../engine/embedded-engine.js';
import type { Engine } from '../../engine/engine.js';
import type { StoreError } from '../../errors.js';
import { attach } from '../../http/listen/attach.js';
import { log } from '../../log-events.js';
import { safeLogger, type Logger } from '../../logger.js';
import { openStore } from '../../store/open-store.js';
import { createResealer } from '../../store/sealing/resealer.js';
import { sealedStore } from '../../store/sealing/sealed-store.js';
import { waitForOwnerLock } from '../../store/owner/wait-for-owner-lock.js';
import { decodeSubscription } from '../../subscription/record/subscription-codec.js';
import { runAll } from './wait-limits.js';
import { throttledLogger } from '../logging/throttled-logger.js';
import { refuseSharedPaths } from '../../reconcile/callback-paths.js';
import { checkOptions, type CheckedOptions } from '../config/check-options.js';
import { resolveServices } from '../services/resolve-services.js';
import { Core } from '../core.js';
import type { ServiceInstance } from '../services/service-table.js';
import { loggerFrom } from '../logging/default-logger.js';
import { definitionsOf, type ServiceDefinition } from '../services/definition.js';
import { canRequestAtStart, sendFirstRequests } from './first-requests.js';
import { startupGate, type StartupGate } from './startup-gate.js';
import { watchServer } from './host-server.js';
import { stoppedDuringStartError } from './lifecycle-error.js';
import { loadPackages } from './load-packages.js';
import { warnOfMisspelledHandlers } from '../config/misspelled-handlers.js';
import { startListener } from './start-listener.js';
import { portOf, resolvePublicAddress } from './public-address.js';
import { reachabilityHintOf } from './reachability-hint.js';
import { Runtime } from '../runtime.js';
import { handleSignals } from './signals.js';
import type { StartOptions } from '../config/start-options.js';
import { logStopBehavior } from './log-stop-behavior.js';
import type { ServiceReference, SubscriberRuntime } from '../subscriber-runtime.js';

/** Dependencies on the outside world, which tests replace. */
export interface Seams {
  readonly now: () => number;
  readonly random: () => number;
  readonly engine: (options: EmbeddedEngineOptions) => Engine;
  readonly env: NodeJS.ProcessEnv;
}

const REAL_SEAMS: Seams = { now: Date.now, random: Math.random, engine: embeddedEngine, env: process.env };

/**
 * Starts services: listens for callbacks, subscribes to their targets, and renews the subscriptions until it stops.
 *
 * It resolves once callbacks are answered, every first request was sent or is scheduled, and all packages are loaded.
 * To wait for the hubs, call `runtime.ready()`.
 *
 * @example
 * ```ts
 * const runtime = await startService(FeedReader, { port: 9090, publicUrl: 'https://me.example.com' });
 * await runtime.ready();
 * ```
 *
 * @throws ConfigurationError if a service or an option is invalid
 * @throws StoreError if the store cannot be opened, another process owns it (after `waitForStoreSeconds`), or it is
 *   sealed with an unknown key
 * @throws ListenerError if the port is not available, or the tunnel cannot be opened
 * @throws ResourceDiscoveryFailedError | SubscriptionInitiationError with `failFast`, for the first failed request
 */
export async function startService(
  services: ServiceReference | readonly ServiceReference[],
  options: StartOptions = {},
): Promise<SubscriberRuntime> {
  return start(services, options, REAL_SEAMS);
}

/** {@link startService} with a replaceable outside world. */
export async function start(
  services: ServiceReference | readonly ServiceReference[],
  options: StartOptions,
  { now, random, engine: makeEngine, env }: Seams,
): Promise<SubscriberRuntime> {
  const definitions = definitionsOf(services);
  refuseSharedPaths(definitions.map(({ config }) => config));
  const checked = checkOptions(options, env);
  const baseLogger = loggerFrom(checked.logger, env['LOG_LEVEL'], env);
  const logger = throttledLogger(safeLogger(baseLogger), { now });
  // Runs last, because lines are suppressed until the end.
  const cleanups: (() => unknown)[] = [() => logger.flush()];
  let runtime: Runtime | undefined;
  let requestGate: StartupGate | undefined;
  let storeLostError: StoreError | undefined;
  const throwIfStoreLost = (): void => {
    if (storeLostError !== undefined) throw storeLostError;
  };
  try {
    const plain = await openStore(checked.store, { logger, timeoutMs: checked.security.storeTimeoutMs });
    cleanups.push(() => plain.close());
    const sealed = sealedStore(plain, checked.sealKeys);
    const store = sealed.records;
    const sealing = createResealer(sealed, { logger, check: { subscription: decodeSubscription, event: decodeEvent } });
    const onLost = (error: StoreError): void => {
      storeLostError = error;
      log(logger, 'store.taken-over', { err: error });
      void sealing.stop();
      runtime?.stopWithoutStore();
    };
    const settleOptions = checked.store === 'memory' ? { settleMs: 0 } : {};
    const wait = { waitMs: checked.waitForStoreSeconds * 1000, logger };
    const owner = await waitForOwnerLock(store, { now, onLost, ...settleOptions }, wait);
    cleanups.push(() => owner.release());
    cleanups.push(() => sealing.stop());
    const sealedWith = sealed.key === undefined ? {} : { sealedWith: sealed.key.id };
    log(logger, 'store.opened', { store: store.location, durable: store.durable, ...sealedWith });

    const onError: EmbeddedEngineOptions['onError'] = (error, { name, key } = { name: 'cron' }) =>
      log(logger, 'timer.failed', { timer: name, key, err: error });
    const engine = makeEngine({ now, onError });
    const core = new Core({ store, engine, logger, now, random }, checked);
    if (canRequestAtStart(checked)) core.requestsAllowed.open();
    requestGate = startupGate(core.app.nodeHandler);
    const listener = await startListener(requestGate.nodeHandler, checked, logger);
    if (listener !== undefined) cleanups.push(() => listener.close({ force: true }));
    const port = listener?.port ?? (checked.server === undefined ? undefined : portOf(checked.server));
    const { url, tunnel } = await resolvePublicAddress(checked, port, logger);
    if (tunnel !== undefined) cleanups.push(() => tunnel.close());

    const host = checked.server && watchServer(checked.server);
    throwIfStoreLost();
    runtime = new Runtime({
      core,
      url,
      port,
      listener,
      hostServer: host,
      reachability: reachabilityHintOf(checked, url, port),
      cleanups,
      graceSeconds: checked.gracefulShutdownSeconds,
    });
    const running = instantiate(definitions, checked, runtime, baseLogger);
    for (const { config, handlers } of running) warnOfMisspelledHandlers(config.name, handlers, logger);
    const handlesSignals = checked.handleSignals ?? listener !== undefined;
    logStopBehavior(running, { isDurable: store.durable, handlesSignals }, logger);
    await core.load(running, url + checked.basePath);
    const { nodeHandler } = requestGate;
    if (checked.server !== undefined) cleanups.push(attach(checked.server, { ...core.app, nodeHandler }));
    requestGate.allowVerifications();
    await runtime.startServices();
    throwIfStoreLost();
    if (runtime.isStopping) throw stoppedDuringStartError();
    requestGate.allowContent();
    sealing.start();
    const startedRuntime = runtime;
    if (handlesSignals) startedRuntime.onStop(handleSignals(() => startedRuntime.stop()));
    const loading = loadPackages(core.context);
    await sendFirstRequests({ core, runtime }, checked);
    await loading;
    return runtime;
  } catch (error) {
    await requestGate?.fail();
    if (runtime === undefined) await runAll(cleanups.toReversed(), logger, 'close');
    else await runtime.stopNow();
    throw error;
  }
}

function instantiate(
  definitions: readonly ServiceDefinition[],
  { container }: CheckedOptions,
  runtime: SubscriberRuntime,
  logger: Logger,
): readonly ServiceInstance[] {
  const instances = resolveServices(definitions, container, { logger, runtime });
  return definitions.flatMap(({ name, config }) => {
    const handlers = instances.get(name);
    return handlers === undefined ? [] : [{ config, handlers }];
  });
}
