import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { StoreError } from '../../errors.js';
import { ownershipLostError, storeInUseError } from './owner-lock-error.js';
import { type StoreOwner, decodeOwner, encodeOwner, isOwnerAlive } from './owner-record.js';
import { type ProcessIdentity, thisProcess } from './process-identity.js';
import type { ExchangeResult, RecordStore } from '../record-store.js';

/** The right to change a store's records, until it is released. */
export interface OwnerLock {
  readonly owner: StoreOwner;
  /** Releases the lock. Idempotent. @throws StoreError when the store fails; the heartbeat is stopped anyway. */
  release(): Promise<void>;
}

/** Options of {@link acquireOwnerLock}. */
export interface AcquireOwnerLockOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Called once when another process owns the store. This process must then stop changing it. */
  readonly onLost: (error: StoreError) => void;
  /** @default a random UUID */
  readonly newId?: (() => string) | undefined;
  /** The process that acquires the lock. @default this process */
  readonly identity?: ProcessIdentity | undefined;
  /** Milliseconds between heartbeats. @default 10_000 */
  readonly heartbeatMs?: number | undefined;
  /** Delay before the claim is read back, in milliseconds. Only for stores without transactions. @default 100 */
  readonly settleMs?: number | undefined;
}

const ownerId = 'runtime';

/** Ids of the locks this process holds, so that two of its runtimes never own one store. */
const acquiredIds = new Set<string>();

/** Owners by the {@link acquireOwnerLock} error that names them. */
const ownerByError = new WeakMap<object, StoreOwner>();

/** Returns the live owner that an {@link acquireOwnerLock} error names; undefined for other errors. */
export function ownerFromError(error: unknown): StoreOwner | undefined {
  return typeof error === 'object' && error !== null ? ownerByError.get(error) : undefined;
}

/** Reads the live owner of a store, without a transaction. @throws StoreError when the store fails */
export async function findLiveOwner(
  store: RecordStore,
  { now, identity = thisProcess() }: Pick<AcquireOwnerLockOptions, 'now' | 'identity'>,
): Promise<StoreOwner | undefined> {
  const current = decodeOwner(await store.get('owner', ownerId));
  return current !== undefined && isAlive(current, identity, now()) ? current : undefined;
}

/**
 * Makes this process the store's only owner. A killed owner on this host is replaced at once, and one on another host
 * 30 seconds after its last heartbeat. Without transactions, two simultaneous claims are detected by reading back, or
 * at the latest by the next heartbeat.
 *
 * @throws StoreError naming the owner when a live one exists.
 */
export async function acquireOwnerLock(store: RecordStore, options: AcquireOwnerLockOptions): Promise<OwnerLock> {
  const { now, onLost, newId = randomUUID, identity = thisProcess(), heartbeatMs = 10_000, settleMs = 100 } = options;
  const startedAt = now();
  const owner: StoreOwner = { id: newId(), ...identity, startedAt, heartbeatAt: startedAt };

  const claim = (raw: unknown): ExchangeResult => {
    const current = decodeOwner(raw);
    if (current !== undefined && isAlive(current, identity, now())) throw inUseError(store, current, identity, now());
    return { set: encodeOwner(owner) };
  };

  acquiredIds.add(owner.id);
  try {
    await updateOwner(store, claim);
    if (store.exchange === undefined) {
      await delay(settleMs);
      const current = decodeOwner(await store.get('owner', ownerId));
      if (current !== undefined && current.id !== owner.id) throw inUseError(store, current, identity, now());
    }
  } catch (error) {
    acquiredIds.delete(owner.id);
    throw error;
  }
  return startHeartbeat(store, owner, { now, onLost, heartbeatMs });
}

function isAlive(owner: StoreOwner, here: ProcessIdentity, now: number): boolean {
  return isOwnerAlive(owner, { here, isAcquiredHere: (id) => acquiredIds.has(id), now });
}

function startHeartbeat(
  store: RecordStore,
  owner: StoreOwner,
  { now, onLost, heartbeatMs }: { now: () => number; onLost: (error: StoreError) => void; heartbeatMs: number },
): OwnerLock {
  let heartbeatInFlight: Promise<void> | undefined;
  let releasing: Promise<void> | undefined;

  const stop = (): void => {
    clearInterval(timer);
    acquiredIds.delete(owner.id);
  };
  const beat = async (): Promise<void> => {
    let other: StoreOwner | 'unreadable' | undefined;
    await updateOwner(store, (raw) => {
      other = otherOwner(raw, owner.id);
      return other === undefined ? { set: encodeOwner({ ...owner, heartbeatAt: now() }) } : 'keep';
    });
    if (other === undefined || releasing !== undefined) return;
    stop();
    onLost(ownershipLostError(store.location, other));
  };
  const timer = setInterval(() => {
    // A failing store is reported by its other operations. The next heartbeat tries again.
    heartbeatInFlight ??= beat()
      .catch(() => undefined)
      .finally(() => {
        heartbeatInFlight = undefined;
      });
  }, heartbeatMs);
  timer.unref();

  const release = async (): Promise<void> => {
    stop();
    await heartbeatInFlight;
    await updateOwner(store, (raw) =>
      raw === undefined || otherOwner(raw, owner.id) !== undefined ? 'keep' : 'delete',
    );
  };
  return { owner, release: () => (releasing ??= release()) };
}

/** Updates the owner record, in one transaction when the store has them. */
async function updateOwner(store: RecordStore, decide: (current: unknown) => ExchangeResult): Promise<void> {
  if (store.exchange !== undefined) return store.exchange('owner', ownerId, decide);
  const result = decide(await store.get('owner', ownerId));
  if (result === 'delete') await store.delete('owner', ownerId);
  else if (result !== 'keep') await store.set('owner', ownerId, result.set);
}

/**
 * Returns the owner in the record if another lock holds the store; undefined if this lock does or there is no record.
 * `'unreadable'`: the record is corrupt or of a newer package version.
 */
function otherOwner(raw: unknown, id: string): StoreOwner | 'unreadable' | undefined {
  try {
    const current = decodeOwner(raw);
    return current?.id === id ? undefined : current;
  } catch {
    return 'unreadable';
  }
}

function inUseError(store: RecordStore, current: StoreOwner, here: ProcessIdentity, now: number): StoreError {
  const error = storeInUseError(store.location, current, here, now);
  ownerByError.set(error, current);
  return error;
}
