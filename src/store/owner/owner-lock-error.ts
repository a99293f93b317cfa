import { StoreError } from '../../errors.js';
import { staleAfterMs, type StoreOwner } from './owner-record.js';
import type { ProcessIdentity } from './process-identity.js';

/** The error for a store that another runtime owns. */
export function storeInUseError(location: string, owner: StoreOwner, here: ProcessIdentity, now: number): StoreError {
  const isThisHost = owner.host === here.host;
  const which = isThisHost && owner.pid === here.pid ? 'this' : 'another';
  const secondsUntilFree = Math.max(0, Math.ceil((owner.heartbeatAt + staleAfterMs - now) / 1_000));
  const hint = isThisHost ? '' : ` If that process no longer runs, the store is free in ${secondsUntilFree} s.`;
  return new StoreError(
    `The store ${location} is in use by ${describeOwner(owner, which)}. Stop that runtime first, wait for it with ` +
      `waitForStoreSeconds, or use a separate store, such as one with ?namespace=name at the end of its URI.${hint}`,
  );
}

/** The error for a store that is still in use after waiting. `error` names its owner. */
export function stillInUseError(error: unknown, waitedSeconds: number): StoreError {
  const message = error instanceof Error ? error.message : String(error);
  return new StoreError(`${message} It was not released within ${waitedSeconds} s.`, {
    cause: error,
  });
}

/** The error for a store that another process took over. `'unreadable'`: another package version wrote the record. */
export function ownershipLostError(location: string, owner: StoreOwner | 'unreadable'): StoreError {
  const who = owner === 'unreadable' ? 'another version of websub-subscriber' : describeOwner(owner, 'another');
  return new StoreError(
    `The store ${location} was taken over by ${who}. This process sent no heartbeat for too long, or both processes ` +
      'started at the same time. Stop one of them.',
  );
}

function describeOwner({ pid, host, startedAt }: StoreOwner, which: 'this' | 'another'): string {
  return `${which} process (pid ${pid} on ${host.split(' ')[0]}, since ${new Date(startedAt).toISOString()})`;
}
