import type { HookEffect, TransitionHook } from '../machine/hook-effect.js';
import { grantOf } from '../machine/state.js';
import type { SubscriptionRecord } from '../record/record.js';

/** A transition of a subscription, or several equal ones in a row. Contains nothing that a log line hides. */
export interface HistoryEntry {
  /** When it happened, the last time (epoch milliseconds). */
  readonly at: number;
  /** When it first happened. Absent if it happened once. */
  readonly since?: number | undefined;
  /** How often it happened in a row. Absent if it happened once. */
  readonly count?: number | undefined;
  /** The name of the hook. */
  readonly event: TransitionHook;
  /** Id of the grant that it happened to. Absent for a failed discovery. */
  readonly grant?: string | undefined;
  /** URL of the hub, at most 200 bytes. */
  readonly hub?: string | undefined;
  /** The code of the failure, `ERR_WEBSUB…`. */
  readonly code?: string | undefined;
  /** Message of the failure, with the hub's own words if there were any. At most 200 bytes. */
  readonly reason?: string | undefined;
}

/** Maximum entries of a subscription. The oldest go first. */
const MAX_ENTRIES = 100;

/** Maximum bytes of a subscription's entries as JSON. */
const MAX_BYTES = 8_192;

/** Maximum bytes of a URL or a message in an entry. */
const MAX_TEXT_BYTES = 200;

/** The entry of a hook. `record` is the subscription after the transition. */
export function historyEntry(record: SubscriptionRecord, hook: HookEffect, at: number): HistoryEntry {
  const { name: event, grantId: grant, removedGrant } = hook;
  const hub = ((grant === undefined ? undefined : grantOf(record, grant)) ?? removedGrant)?.hub;
  const failure = 'failure' in hook ? hook.failure : undefined;
  return {
    at,
    event,
    ...(grant === undefined ? {} : { grant }),
    ...(hub === undefined ? {} : { hub: cut(hub) }),
    ...(failure === undefined ? {} : { code: failure.code, reason: cut(failure.message) }),
  };
}

/** The history with a further entry, within its bounds. */
export function withEntry(history: readonly HistoryEntry[], entry: HistoryEntry): readonly HistoryEntry[] {
  const earlier = withoutRequest(history, entry);
  const last = earlier.at(-1);
  if (last === undefined || !isEqual(last, entry)) return withinBounds([...earlier, entry]);
  const merged = { ...entry, since: last.since ?? last.at, count: (last.count ?? 1) + 1 };
  return withinBounds([...earlier.slice(0, -1), merged]);
}

/** Drops the request that an outcome answers. Otherwise, repeated failures would never be equal neighbors. */
function withoutRequest(history: readonly HistoryEntry[], { event, grant }: HistoryEntry): readonly HistoryEntry[] {
  const isOutcome = event === 'verified' || event === 'renewed' || event === 'failed' || event === 'denied';
  const last = history.at(-1);
  return isOutcome && last?.event === 'requested' && last.grant === grant ? history.slice(0, -1) : history;
}

function isEqual(a: HistoryEntry, b: HistoryEntry): boolean {
  return a.event === b.event && a.grant === b.grant && a.hub === b.hub && a.code === b.code && a.reason === b.reason;
}

function withinBounds(history: readonly HistoryEntry[]): readonly HistoryEntry[] {
  // Brackets, and a comma after each entry.
  const sizes = history.map((entry) => Buffer.byteLength(JSON.stringify(entry)) + 1);
  let bytes = sizes.reduce((sum, size) => sum + size, 2);
  let first = Math.max(0, history.length - MAX_ENTRIES);
  for (const size of sizes.slice(0, first)) bytes -= size;
  for (; bytes > MAX_BYTES && first < history.length - 1; first += 1) bytes -= sizes[first] ?? 0;
  return first === 0 ? history : history.slice(first);
}

/** The text, cut at a whole character. */
function cut(text: string): string {
  if (Buffer.byteLength(text) <= MAX_TEXT_BYTES) return text;
  const ellipsis = '…';
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(MAX_TEXT_BYTES - Buffer.byteLength(ellipsis)));
  return text.slice(0, read) + ellipsis;
}
