import { decodeRecord, encodeRecord } from '../codec.js';
import { StoreError } from '../../errors.js';
import { type ProcessIdentity, isRunning, startTimeOf } from './process-identity.js';

/** The owner of a store: the only process that may change its records. Times are milliseconds since the epoch. */
export interface StoreOwner extends ProcessIdentity {
  /** Unique per acquisition. */
  readonly id: string;
  readonly startedAt: number;
  readonly heartbeatAt: number;
}

/** Milliseconds after which a heartbeat is stale. Decides only when the process itself cannot be checked. */
export const staleAfterMs = 30_000;

const version = 1;

/** Encodes an owner for the store. */
export function encodeOwner(owner: StoreOwner): unknown {
  return encodeRecord(version, owner);
}

/**
 * Decodes the stored owner; undefined when there is none.
 *
 * @throws StoreError when another version wrote it or it is corrupt
 */
export function decodeOwner(raw: unknown): StoreOwner | undefined {
  if (raw === undefined) return undefined;
  const data = decodeRecord(version, raw, {}, 'owner');
  if (isOwner(data)) return data;
  throw new StoreError(
    'The record owner is corrupt: it does not contain a valid owner. It was left unchanged. Delete it when no process ' +
      'uses the store.',
  );
}

/**
 * Whether the process that wrote the record still runs. On this host the operating system tells. On other hosts, or
 * when start times are unknown, the heartbeat decides.
 *
 * @param context `isAcquiredHere`: whether this process holds a lock with that id. `now`: milliseconds since the epoch.
 */
export function isOwnerAlive(
  owner: StoreOwner,
  context: { readonly here: ProcessIdentity; readonly isAcquiredHere: (id: string) => boolean; readonly now: number },
): boolean {
  const { here } = context;
  if (context.isAcquiredHere(owner.id)) return true;
  const hasRecentHeartbeat = context.now - owner.heartbeatAt < staleAfterMs;
  if (owner.host !== here.host) return hasRecentHeartbeat;
  // Another thread or another copy of this module wrote the record. It has its own list of acquired locks.
  if (owner.pid === here.pid && owner.started === here.started) return hasRecentHeartbeat;
  if (!isRunning(owner.pid)) return false;
  const started = startTimeOf(owner.pid);
  return owner.started === undefined || started === undefined ? hasRecentHeartbeat : owner.started === started;
}

function isOwner(data: unknown): data is StoreOwner {
  return (
    typeof data === 'object' &&
    data !== null &&
    'id' in data &&
    typeof data.id === 'string' &&
    'pid' in data &&
    Number.isSafeInteger(data.pid) &&
    Number(data.pid) > 0 &&
    'host' in data &&
    typeof data.host === 'string' &&
    (!('started' in data) || data.started === undefined || typeof data.started === 'string') &&
    'startedAt' in data &&
    typeof data.startedAt === 'number' &&
    'heartbeatAt' in data &&
    typeof data.heartbeatAt === 'number'
  );
}
