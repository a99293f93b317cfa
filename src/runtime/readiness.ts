import type { Hooks } from '../delivery/hooks.js';
import { WebSubError } from '../errors.js';
import type { Registry } from '../subscription/registry.js';
import type { SubscriptionRecord } from '../subscription/record.js';
import { stateOf } from '../subscription/state.js';

/** What readiness works with. */
export interface ReadinessOptions {
  readonly registry: Registry;
  readonly hooks: Hooks;
  /** Whether the code has the service: others are left alone. */
  readonly isServed: (service: string) => boolean;
  /** Rejects what waits when the runtime stops. */
  readonly signal: AbortSignal;
}

/** Resolves when every wanted subscription has a grant; rejects naming those without, after a time or when it is in vain. */
export async function whenReady(options: ReadinessOptions, timeoutMs: number): Promise<void> {
  const { hooks, signal } = options;
  await new Promise<void>((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const off of offs) off();
      settle();
    };
    const check = (): void => {
      const missing = withoutGrant(options);
      if (missing.length === 0) end(resolve);
      else if (missing.some(isInVain)) end(() => reject(notReady(missing, 'will not be asked for again by themselves')));
    };
    const timer = setTimeout(
      () => end(() => reject(notReady(withoutGrant(options), `are not granted after ${timeoutMs} ms`))),
      timeoutMs,
    );
    const onAbort = (): void => end(() => reject(notReady(withoutGrant(options), 'are not granted at the stop')));
    // A hook is called before the registry has indexed the record it tells of.
    const soon = (): void => void setImmediate(check);
    const offs = (['verified', 'failed', 'denied', 'unsubscribed'] as const).map((name) => hooks.on(name, soon));
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else check();
  });
}

function withoutGrant({ registry, isServed }: ReadinessOptions): readonly SubscriptionRecord[] {
  return [...registry.entries()]
    .map(({ record }) => record)
    .filter((record) => record.desired === 'subscribed' && isServed(record.service) && stateOf(record) !== 'active');
}

function isInVain(record: SubscriptionRecord): boolean {
  return record.hold !== undefined;
}

function notReady(missing: readonly SubscriptionRecord[], problem: string): WebSubError {
  const lines = missing.map((record) => {
    const target = typeof record.target === 'string' ? record.target : record.target.topic;
    const why = record.lastError?.message ?? 'the hub has not verified it yet';
    return `${target} for ${record.service} is ${stateOf(record)}: ${why}`;
  });
  return new WebSubError(`${missing.length} wanted subscription(s) ${problem}. ${lines.join('; ')}`);
}
