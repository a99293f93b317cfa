import { isRecord } from '../../protocol/encoding/is-record.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Upgrades the data of a stored subscription from version 1 to version 2.
 *
 * Version 1 ended a grant at its first denial and never requested that hub again. Since version 2 a denial is a field
 * of the grant. So a subscription that was stopped as denied is requested again after the next start, and content is
 * accepted again until the lease ends.
 */
export function fromVersion1(data: unknown): unknown {
  if (!isRecord(data) || !isRecord(data['record'])) return data;
  const { deniedBy: _deniedBy, ...record } = data['record'];
  const isStopped = record['hold'] === 'denied';
  const grants: readonly unknown[] = Array.isArray(record['grants']) ? record['grants'] : [];
  const denied = grants.filter((grant): grant is Fields => isRecord(grant) && grant['state'] === 'denied');
  // Each denied grant at a hub replaced the previous grant, so only the latest grant counts.
  const latest = new Map(denied.map((grant) => [grant['advertisedHub'], grant]));
  const upgraded = grants.map((grant) =>
    isRecord(grant) && denied.includes(grant)
      ? withoutDeniedState(grant, isStopped && latest.get(grant['advertisedHub']) === grant)
      : grant,
  );
  return { ...data, record: { ...record, grants: upgraded, ...(isStopped ? { heldByVersion1: true } : {}) } };
}

/** Upgrades a grant that ended with a denial: reopened if `isLatest`, else a tombstone. */
function withoutDeniedState({ endedAt, ...grant }: Fields, isLatest: boolean): Fields {
  if (!isLatest) return { ...grant, endedAt, state: 'unsubscribed' };
  const denied = { ...grant, deniedAt: endedAt, nextAttemptAt: undefined };
  return grant['verifiedAt'] === undefined
    ? { ...denied, state: 'failed', refusals: 1 }
    : { ...denied, state: 'active', deniedUnasked: true, denialAnswered: true };
}
