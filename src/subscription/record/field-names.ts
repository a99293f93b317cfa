import { isRecord } from '../../protocol/encoding/is-record.js';
import type { GrantRecord, PendingRequest, SubscriptionRecord } from './record.js';

type Fields = Readonly<Record<string, unknown>>;
type Pair<Name> = readonly [name: Name, storedName: string];

/** Fields whose names in memory and in the store differ. */
interface FieldNames {
  readonly toStored: ReadonlyMap<string, string>;
  readonly fromStored: ReadonlyMap<string, string>;
}

// Stored names never change, so that stores of earlier versions stay readable.
const RECORD = fieldNames([
  ['stoppedBecause', 'hold'],
  ['stoppedByVersion1', 'heldByVersion1'],
  ['publisherRetryAfters', 'publisherHolds'],
] satisfies readonly Pair<keyof SubscriptionRecord>[]);
const GRANT = fieldNames([
  ['requestedAt', 'askedAt'],
  ['deniedUnsolicited', 'deniedUnasked'],
  ['freshCallbackAt', 'askAfreshAt'],
  ['denialCheckedAt', 'questionedAt'],
  ['deferredUntil', 'heldUntil'],
  ['hasHubAccepted', 'hubSettled'],
  ['wasLastRequestDenied', 'isDenied'],
  ['isRenewalStarted', 'renewalDue'],
  ['isConfirmationUnsent', 'unanswered'],
] satisfies readonly Pair<keyof GrantRecord>[]);
const PENDING = fieldNames([
  ['problem', 'wrong'],
  ['hasUnconfirmedVerification', 'cameBack'],
] satisfies readonly Pair<keyof PendingRequest>[]);

function fieldNames(pairs: readonly Pair<string>[]): FieldNames {
  return {
    toStored: new Map(pairs),
    fromStored: new Map(pairs.map(([name, storedName]) => [storedName, name])),
  };
}

/** A subscription record with the field names of the store. */
export function withStoredNames(record: SubscriptionRecord): unknown {
  return renameRecord(record, 'toStored');
}

/** A subscription record from the store with the field names of `SubscriptionRecord`. The values are not checked. */
export function withMemoryNames(record: unknown): unknown {
  return renameRecord(record, 'fromStored');
}

function renameRecord(record: unknown, direction: keyof FieldNames): unknown {
  if (!isRecord(record)) return record;
  const renamed = rename(record, RECORD[direction]);
  const { grants } = record;
  if (Array.isArray(grants)) renamed['grants'] = grants.map((grant: unknown) => renameGrant(grant, direction));
  return renamed;
}

function renameGrant(grant: unknown, direction: keyof FieldNames): unknown {
  if (!isRecord(grant)) return grant;
  const renamed = rename(grant, GRANT[direction]);
  const { pending } = renamed;
  if (isRecord(pending)) renamed['pending'] = rename(pending, PENDING[direction]);
  return renamed;
}

/** A copy with renamed fields. A start copies all records, and a loop takes a third of the time of `fromEntries`. */
function rename(fields: Fields, names: ReadonlyMap<string, string>): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) copy[names.get(name) ?? name] = fields[name];
  return copy;
}
