import type { HubDelays, HubFaults, RequestFailure } from './hub-faults.js';

/** The faults set on a hub or on one topic, changeable while the hub runs. */
export interface FaultLayer {
  readonly faults: HubFaults;
  /** Sets what is given; a field given as `undefined` is unset. A `fail` counts anew. */
  change(faults: HubFaults): void;
  /** The failure due now, counted down; `false` where failing is switched off here. */
  takeFailure(): RequestFailure | false | undefined;
}

export function createFaultLayer(initial: HubFaults): FaultLayer {
  let faults: HubFaults = {};
  let failuresLeft = 0;

  const change = (changed: HubFaults): void => {
    faults = { ...faults, ...changed };
    if (changed.fail) failuresLeft = changed.fail.times ?? Number.POSITIVE_INFINITY;
  };
  change(initial);

  return {
    get faults() {
      return faults;
    },
    change,
    takeFailure() {
      if (!faults.fail) return faults.fail;
      if (failuresLeft <= 0) return undefined;
      failuresLeft -= 1;
      return faults.fail;
    },
  };
}

/** One set of faults out of several layers: for each field, the first layer that sets it decides. */
export function mergedFaults(layers: readonly FaultLayer[]): HubFaults {
  const first = <Name extends keyof HubFaults>(name: Name): HubFaults[Name] =>
    layers.map((layer) => layer.faults[name]).find((value) => value !== undefined);
  return {
    verify: first('verify'),
    leaseSeconds: first('leaseSeconds'),
    algorithm: first('algorithm'),
    signature: first('signature'),
    delayMs: first('delayMs'),
    deny: first('deny'),
    redirect: first('redirect'),
  };
}

/** The first failure due in the layers; a layer that says `false` shields those after it. */
export function takeFailure(layers: readonly FaultLayer[]): RequestFailure | undefined {
  for (const layer of layers) {
    const failure = layer.takeFailure();
    if (failure === false) return undefined;
    if (failure) return failure;
  }
  return undefined;
}

/** Milliseconds to hold back one kind of thing. */
export function delayOf(faults: HubFaults, what: keyof HubDelays): number {
  const { delayMs = 0 } = faults;
  return typeof delayMs === 'number' ? delayMs : (delayMs[what] ?? 0);
}
