import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { StoreError } from '../../errors.js';
import { type StoreOwner, decodeOwner, encodeOwner, isOwnerAlive, staleAfterMs } from './owner-record.js';
import { type ProcessIdentity, thisProcess } from './process-identity.js';
import type { ExchangeResult, RecordStore } from '../record-store.js';

/** The right to change a store's records, until it is released. */
export interface OwnerLock {
  readonly owner: StoreOwner;
  /** Gives the store up; idempotent. @throws StoreError when the store fails; the heartbeat has stopped all the same. */
  release(): Promise<void>;
}

/** How a store is owned. */
export interface AcquireOwnerLockOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Called once when another process turns out to own the store; this one must stop changing it. */
  readonly onLost: (error: StoreError) => void;
  /** @default a random UUID */
  readonly newId?: (() => string) | undefined;
  /** Who acquires. @default this process */
  readonly identity?: ProcessIdentity | undefined;
  /** Milliseconds between two signs of life. @default 10_000 */
  readonly heartbeatMs?: number | undefined;
  /** Milliseconds before the claim is read back, where the store has no transactions. @default 100 */
  readonly settleMs?: number | undefined;
}

const ownerId = 'runtime';

/** What this process holds, so that two runtimes in it do not own one store. */
const acquiredIds = new Set<string>();

/** Errors of {@link acquireOwnerLock} that name an owner, with that owner. */
const ownerByError = new WeakMap<object, StoreOwner>();

/** The living owner that an error of {@link acquireOwnerLock} names; undefined where the store failed for another reason. */
export function ownerFromError(error: unknown): StoreOwner | undefined {
  return typeof error === 'object' && error !== null ? ownerByError.get(error) : undefined;
}

/** The process that owns the store and lives; a read, without a transaction. @throws StoreError when the store fails */
export async function findLiveOwner(
  store: RecordStore,
  { now, identity = thisProcess() }: Pick<AcquireOwnerLockOptions, 'now' | 'identity'>,
): Promise<StoreOwner | undefined> {
  const current = decodeOwner(await store.get('owner', ownerId));
  return current !== undefined && isAlive(current, identity, now()) ? current : undefined;
}

/**
 * Makes this process the store's only owner. A process that was killed on this host is replaced at once; one on another
 * host, 30 seconds after its last heartbeat. Where the store has no transactions two claims made in the same moment are
 * told apart by reading back, and if that fails by the next heartbeat.
 *
 * @throws StoreError naming the owner, when there is one that lives.
 */
export async function acquireOwnerLock(store: RecordStore, options: AcquireOwnerLockOptions): Promise<OwnerLock> {
  const { now, onLost, newId = randomUUID, identity = thisProcess(), heartbeatMs = 10_000, settleMs = 100 } = options;
  const startedAt = now();
  const owner: StoreOwner = { id: newId(), ...identity, startedAt, heartbeatAt: startedAt };

  const claim = (raw: unknown): ExchangeResult => {
    const current = decodeOwner(raw);
    if (current !== undefined && isAlive(current, identity, now()))
      throw storeInUseError(store, current, identity, now());
    return { set: encodeOwner(owner) };
  };

  acquiredIds.add(owner.id);
  try {
    await updateOwner(store, claim);
    if (store.exchange === undefined) {
      await delay(settleMs);
      const current = decodeOwner(await store.get('owner', ownerId));
      if (current !== undefined && current.id !== owner.id) throw storeInUseError(store, current, identity, now());
    }
  } catch (error) {
    acquiredIds.delete(owner.id);
    throw error;
  }
  return startHeartbeat(store, owner, { now, onLost, heartbeatMs });
}

function isAlive(owner: StoreOwner, here: ProcessIdentity, now: number): boolean {
  return isOwnerAlive(owner, { here, held: (id) => acquiredIds.has(id), now });
}

function startHeartbeat(
  store: RecordStore,
  owner: StoreOwner,
  { now, onLost, heartbeatMs }: { now: () => number; onLost: (error: StoreError) => void; heartbeatMs: number },
): OwnerLock {
  let beating: Promise<void> | undefined;
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
    onLost(ownershipLostError(store, other));
  };
  const timer = setInterval(() => {
    // A store that fails here fails everywhere else, where it is reported; the next beat tries again.
    beating ??= beat()
      .catch(() => undefined)
      .finally(() => {
        beating = undefined;
      });
  }, heartbeatMs);
  timer.unref();

  const release = async (): Promise<void> => {
    stop();
    await beating;
    await updateOwner(store, (raw) =>
      raw === undefined || otherOwner(raw, owner.id) !== undefined ? 'keep' : 'delete',
    );
  };
  return { owner, release: () => (releasing ??= release()) };
}

/** In one transaction where the store has them. */
async function updateOwner(store: RecordStore, decide: (current: unknown) => ExchangeResult): Promise<void> {
  if (store.exchange !== undefined) return store.exchange('owner', ownerId, decide);
  const result = decide(await store.get('owner', ownerId));
  if (result === 'delete') await store.delete('owner', ownerId);
  else if (result !== 'keep') await store.set('owner', ownerId, result.set);
}

/** Whose the record is, when it is not ours; what a newer package wrote is not ours either. */
function otherOwner(raw: unknown, id: string): StoreOwner | 'unreadable' | undefined {
  try {
    const current = decodeOwner(raw);
    return current?.id === id ? undefined : current;
  } catch {
    return 'unreadable';
  }
}

function describe({ pid, host, startedAt }: StoreOwner): string {
  return `process ${pid} on ${host.split(' ')[0]}, since ${new Date(startedAt).toISOString()}`;
}

function storeInUseError(store: RecordStore, current: StoreOwner, here: ProcessIdentity, now: number): StoreError {
  const seconds = Math.max(0, Math.ceil((current.heartbeatAt + staleAfterMs - now) / 1_000));
  const wait = current.host === here.host ? '' : ` If it is gone, the store can be had in ${seconds} s.`;
  const who = current.pid === here.pid && current.host === here.host ? 'this very ' : '';
  const error = new StoreError(
    `The store ${store.location} is in use by ${who}${describe(current)}. ` +
      `Stop that one first, wait for it with waitForStoreSeconds, or give this one a store of its own, such as a ` +
      `?namespace=name at the end of the URI.${wait}`,
  );
  ownerByError.set(error, current);
  return error;
}

function ownershipLostError(store: RecordStore, other: StoreOwner | 'unreadable'): StoreError {
  const who = other === 'unreadable' ? 'another version of this package' : describe(other);
  return new StoreError(
    `The store ${store.location} was taken over by ${who}: this process went silent for too long, or both started at ` +
      'once. Stop one of them.',
  );
}
