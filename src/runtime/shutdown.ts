import type { Logger } from '../logger.js';
import type { Core } from './core.js';
import type { StopOptions } from './subscriber-runtime.js';

/** Asks hubs to stop, and waits until each has verified or failed, or the signal says that time is up. */
export async function unsubscribeAll(core: Core, { unsubscribe }: StopOptions, signal: AbortSignal): Promise<void> {
  const leaving = new Set<string>();
  for (const { record } of core.registry.entries()) {
    const service = core.services.find(({ config }) => config.name === record.service);
    if (service === undefined || !(unsubscribe ?? service.config.unsubscribeOnShutdown)) continue;
    if (record.grants.some((grant) => grant.state === 'active' || grant.state === 'unsubscribing')) leaving.add(record.id);
  }
  if (leaving.size === 0) return;
  const isLeaving = (id: string): boolean =>
    core.registry.get(id)?.record.grants.some((grant) => grant.state === 'unsubscribing' && grant.attempts === 0) === true;
  await new Promise<void>((resolve) => {
    const check = (): void => {
      if (!signal.aborted && [...leaving].some(isLeaving)) return;
      for (const off of offs) off();
      signal.removeEventListener('abort', check);
      resolve();
    };
    // A hook is called before the registry has indexed the record it tells of.
    const soon = (): void => void setImmediate(check);
    const offs = (['unsubscribed', 'failed'] as const).map((name) => core.hooks.on(name, soon));
    signal.addEventListener('abort', check);
    const asked = [...leaving].map((id) => core.registry.apply(id, { type: 'unwanted', why: 'shutdown' }));
    void Promise.allSettled(asked).then(check);
  });
}

/** Says which hubs may go on sending, and until when. */
export function reportLeftovers(core: Core, logger: Logger): void {
  for (const { record } of core.registry.entries()) {
    for (const grant of record.grants) {
      if (grant.state !== 'unsubscribing') continue;
      const until = grant.expiresAt === undefined ? 'its lease ends' : new Date(grant.expiresAt).toISOString();
      logger.warn(
        { subscription: record.id, hub: grant.hub, topic: grant.topic },
        `hub ${grant.hub} did not verify the unsubscription: it may go on sending until ${until}`,
      );
    }
  }
}

/** Runs every task, one after the other; what fails is logged and the rest goes on. */
export async function runAll(
  tasks: readonly (() => unknown)[],
  logger: Logger,
  message: string,
): Promise<void> {
  for (const task of tasks) {
    try {
      await task();
    } catch (error) {
      logger.error({ err: error }, message);
    }
  }
}

/** Resolves when the work does, or when the signal says that time is up; what fails is logged. */
export async function within(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let onAbort = (): void => {};
  const timeUp = new Promise<void>((resolve) => {
    onAbort = resolve;
    signal.addEventListener('abort', onAbort);
  });
  try {
    await Promise.race([work, timeUp]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
