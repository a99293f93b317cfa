import type { HubDelays, HubFaults, VerifyMode } from './hub-faults.js';
import type {
  RateLimit,
  RequestDenial,
  RequestFailure,
  RequestKind,
  RequestLimits,
  RequestRedirect,
} from './request-faults.js';

/** The faults that apply to single requests and are counted down. */
export interface CountedFaults {
  readonly fail: RequestFailure;
  readonly redirect: RequestRedirect;
  readonly deny: RequestDenial;
}

/** The faults set on a hub or on one topic, changeable while the hub runs. */
export interface FaultLayer {
  readonly faults: HubFaults;
  /** Sets what is given; a field given as `undefined` is unset. `fail`, `redirect` and `deny` count anew. */
  change(faults: HubFaults): void;
  /** The fault due for a request, counted down; `false` where it is switched off here. */
  take<Name extends keyof CountedFaults>(name: Name, kind: RequestKind): CountedFaults[Name] | false | undefined;
  /** Counts a request. Above the rate limit, returns the seconds to wait; `false` where no limit applies. */
  countRequest(now: number): number | false | undefined;
}

const COUNTED = ['fail', 'redirect', 'deny'] as const;

export function createFaultLayer(initial: HubFaults): FaultLayer {
  let faults: HubFaults = {};
  const left = new Map<keyof CountedFaults, number>();
  let window = createRateWindow();

  const change = (changed: HubFaults): void => {
    faults = { ...faults, ...changed };
    const counted = countedOf(changed);
    for (const name of COUNTED) {
      const fault = counted[name];
      if (fault) left.set(name, fault.times ?? Number.POSITIVE_INFINITY);
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
      const timesLeft = left.get(name) ?? 0;
      if (timesLeft <= 0 || !appliesTo(fault, kind)) return undefined;
      left.set(name, timesLeft - 1);
      return fault;
    },
    countRequest(now) {
      const { rateLimit } = faults;
      return rateLimit ? (window.count(rateLimit, now) ?? false) : rateLimit;
    },
  };
}

/** Counts requests in windows of time. */
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

/** One set of faults out of several layers: for each field, the first layer that sets it decides. */
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

/** The first fault of a name due in the layers; a layer that says `false` shields those after it. */
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

/** The seconds to wait by the first layer that sets a rate limit, where the request is above it. */
export function countAgainstRateLimit(layers: readonly FaultLayer[], now: number): number | undefined {
  for (const layer of layers) {
    const excess = layer.countRequest(now);
    if (excess !== undefined) return excess || undefined;
  }
  return undefined;
}

/** Milliseconds to hold back one kind of thing. */
export function delayOf(faults: HubFaults, what: keyof HubDelays): number {
  const { delayMs = 0 } = faults;
  return typeof delayMs === 'number' ? delayMs : (delayMs[what] ?? 0);
}

/** How requests of a mode are verified, where a fault says so. */
export function verifyModeOf({ verify }: HubFaults, mode: 'subscribe' | 'unsubscribe'): VerifyMode | undefined {
  if (typeof verify !== 'object') return verify;
  return mode === 'subscribe' ? verify.subscriptions : verify.unsubscriptions;
}
