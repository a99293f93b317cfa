import { decodeRecord, encodeRecord } from '../codec.js';
import { StoreError } from '../../errors.js';
import { type ProcessIdentity, isRunning, startTimeOf } from './process-identity.js';

/** Who owns a store: the only process that may change its records. Times are milliseconds since the epoch. */
export interface StoreOwner extends ProcessIdentity {
  /** Unique per acquisition. */
  readonly id: string;
  readonly startedAt: number;
  readonly heartbeatAt: number;
}

/** How old a heartbeat may be where nothing better tells whether its process lives, in milliseconds. */
export const staleAfterMs = 30_000;

const version = 1;

/** The owner as it is stored. */
export function encodeOwner(owner: StoreOwner): unknown {
  return encodeRecord(version, owner);
}

/** The stored owner, or undefined where there is none. @throws StoreError for what another version or hand wrote. */
export function decodeOwner(raw: unknown): StoreOwner | undefined {
  if (raw === undefined) return undefined;
  const data = decodeRecord(version, raw, {}, 'owner');
  if (isOwner(data)) return data;
  throw new StoreError('The record owner is corrupt: delete it when no process uses the store. It was left as it is.');
}

/**
 * Whether the process that wrote the record still runs. On this host the operating system knows; elsewhere, and where
 * it does not tell start times, the heartbeat has to do.
 *
 * @param held whether an acquisition of this very process has that id and was not released.
 */
export function isOwnerAlive(
  owner: StoreOwner,
  context: { readonly here: ProcessIdentity; readonly held: (id: string) => boolean; readonly now: number },
): boolean {
  const { here } = context;
  if (context.held(owner.id)) return true;
  const hasRecentHeartbeat = context.now - owner.heartbeatAt < staleAfterMs;
  if (owner.host !== here.host) return hasRecentHeartbeat;
  // Another thread, or another copy of this module: its list of what it holds is not ours.
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
