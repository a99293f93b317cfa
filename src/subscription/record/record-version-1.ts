import { isRecord } from '../../protocol/encoding/is-record.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * The data of a stored subscription as version 2 has it. Version 1 ended a grant at its first denial and never asked
 * that hub again. In version 2 a denial is an attribute of the grant: a subscription that was held as denied is asked
 * for again after the next start, and content under a lease that still runs is accepted again.
 */
export function fromVersion1(data: unknown): unknown {
  if (!isRecord(data) || !isRecord(data['record'])) return data;
  const { deniedBy: _deniedBy, ...record } = data['record'];
  const isStopped = record['hold'] === 'denied';
  const grants: readonly unknown[] = Array.isArray(record['grants']) ? record['grants'] : [];
  const denied = grants.filter((grant): grant is Fields => isRecord(grant) && grant['state'] === 'denied');
  // Of several at one hub the latest was asked for in the place of those before.
  const latest = new Map(denied.map((grant) => [grant['advertisedHub'], grant]));
  const upgraded = grants.map((grant) =>
    isRecord(grant) && denied.includes(grant)
      ? withoutDeniedState(grant, isStopped && latest.get(grant['advertisedHub']) === grant)
      : grant,
  );
  return { ...data, record: { ...record, grants: upgraded, ...(isStopped ? { heldByVersion1: true } : {}) } };
}

/** A grant that ended by a denial: alive again where nothing took its place, else a tombstone. */
function withoutDeniedState({ endedAt, ...grant }: Fields, isAlive: boolean): Fields {
  if (!isAlive) return { ...grant, endedAt, state: 'unsubscribed' };
  const denied = { ...grant, deniedAt: endedAt, nextAttemptAt: undefined };
  return grant['verifiedAt'] === undefined
    ? { ...denied, state: 'failed', refusals: 1 }
    : { ...denied, state: 'active', deniedUnasked: true, denialAnswered: true };
}
