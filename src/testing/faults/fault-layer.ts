import type { HubDelays, HubFaults, VerifyMode } from './hub-faults.js';
import type {
  RateLimit,
  RequestDenial,
  RequestFailure,
  RequestKind,
  RequestLimits,
  RequestRedirect,
} from './request-faults.js';

/** Faults that apply to single requests and are counted down. */
export interface CountedFaults {
  readonly fail: RequestFailure;
  readonly redirect: RequestRedirect;
  readonly deny: RequestDenial;
}

/** The faults set on a hub or on one topic. They can change while the hub runs. */
export interface FaultLayer {
  readonly faults: HubFaults;
  /** Sets faults; a field set to `undefined` is unset. `fail`, `redirect` and `deny` start counting again. */
  change(faults: HubFaults): void;
  /** Returns the fault due for a request, and counts it down. `false` when the fault is switched off in this layer. */
  take<Name extends keyof CountedFaults>(name: Name, kind: RequestKind): CountedFaults[Name] | false | undefined;
  /**
   * Counts a request. Above the rate limit, returns the seconds to wait. `false` when this layer allows the request;
   * undefined when it sets no limit.
   */
  countRequest(now: number): number | false | undefined;
}

const COUNTED = ['fail', 'redirect', 'deny'] as const;

export function createFaultLayer(initial: HubFaults): FaultLayer {
  let faults: HubFaults = {};
  const remainingTimes = new Map<keyof CountedFaults, number>();
  let window = createRateWindow();

  const change = (changed: HubFaults): void => {
    faults = { ...faults, ...changed };
    const counted = countedOf(changed);
    for (const name of COUNTED) {
      const fault = counted[name];
      if (fault) remainingTimes.set(name, fault.times ?? Number.POSITIVE_INFINITY);
    }
    if (changed.rateLimit) window = createRateWindow();
  };
  change(initial);

  return {
    get faults() {
      return faults;
    },
    change,
    take(name, kind) {
      const fault = countedOf(faults)[name];
      if (!fault) return fault;
      const remaining = remainingTimes.get(name) ?? 0;
      if (remaining <= 0 || !appliesTo(fault, kind)) return undefined;
      remainingTimes.set(name, remaining - 1);
      return fault;
    },
    countRequest(now) {
      const { rateLimit } = faults;
      return rateLimit ? (window.count(rateLimit, now) ?? false) : rateLimit;
    },
  };
}

/** Counts requests in fixed time windows. */
interface RateWindow {
  /** Counts a request. Above the limit, returns the seconds until the window ends. */
  count(limit: RateLimit, now: number): number | undefined;
}

function createRateWindow(): RateWindow {
  let endsAt = Number.NEGATIVE_INFINITY;
  let counted = 0;
  return {
    count({ requests, perSeconds }, now) {
      if (now >= endsAt) {
        endsAt = now + perSeconds * 1000;
        counted = 0;
      }
      counted += 1;
      return counted > requests ? Math.ceil((endsAt - now) / 1000) : undefined;
    },
  };
}

function countedOf({ fail, redirect, deny }: HubFaults): {
  readonly [Name in keyof CountedFaults]: CountedFaults[Name] | false | undefined;
} {
  const denial: RequestDenial | false | undefined = typeof deny === 'string' ? { reason: deny } : deny;
  return { fail, redirect, deny: denial && { ...denial, only: denial.only ?? 'subscriptions' } };
}

function appliesTo({ only }: RequestLimits, kind: RequestKind): boolean {
  if (only === 'subscriptions') return kind !== 'unsubscriptions';
  return only === undefined || only === kind;
}

/**
 * Merges several layers into one set of faults. For each field, the first layer that sets it decides. Leaves out
 * `fail`, `redirect` and `rateLimit`: each layer counts these itself.
 */
export function mergedFaults(layers: readonly FaultLayer[]): HubFaults {
  const first = <Name extends keyof HubFaults>(name: Name): HubFaults[Name] =>
    layers.map((layer) => layer.faults[name]).find((value) => value !== undefined);
  return {
    verify: first('verify'),
    verifyTimes: first('verifyTimes'),
    leaseSeconds: first('leaseSeconds'),
    announcedLease: first('announcedLease'),
    requires: first('requires'),
    accept: first('accept'),
    deny: first('deny'),
    secretFrom: first('secretFrom'),
    algorithm: first('algorithm'),
    signature: first('signature'),
    silent: first('silent'),
    retries: first('retries'),
    dropOnFailure: first('dropOnFailure'),
    delayMs: first('delayMs'),
  };
}

/** Returns the first due fault of a name. A layer that says `false` hides the layers after it. */
export function takeFault<Name extends keyof CountedFaults>(
  layers: readonly FaultLayer[],
  name: Name,
  kind: RequestKind,
): CountedFaults[Name] | undefined {
  for (const layer of layers) {
    const fault = layer.take(name, kind);
    if (fault === false) return undefined;
    if (fault) return fault;
  }
  return undefined;
}

/** Counts a request in the first layer that sets a rate limit. Above the limit, returns the seconds to wait. */
export function countAgainstRateLimit(layers: readonly FaultLayer[], now: number): number | undefined {
  for (const layer of layers) {
    const secondsToWait = layer.countRequest(now);
    if (secondsToWait !== undefined) return secondsToWait || undefined;
  }
  return undefined;
}

/** Returns the milliseconds to delay one kind of message. */
export function delayOf(faults: HubFaults, kind: keyof HubDelays): number {
  const { delayMs = 0 } = faults;
  return typeof delayMs === 'number' ? delayMs : (delayMs[kind] ?? 0);
}

/** Returns the mode to verify requests in, if a fault sets one. */
export function verifyModeOf({ verify }: HubFaults, mode: 'subscribe' | 'unsubscribe'): VerifyMode | undefined {
  if (typeof verify !== 'object') return verify;
  return mode === 'subscribe' ? verify.subscriptions : verify.unsubscriptions;
}
