import { isRecord } from '../../protocol/encoding/is-record.js';
import { open, seal, type OpenResult } from './seal.js';
import { SEAL_PROBLEM } from './seal-error.js';
import type { SealKey } from './seal-key.js';

/**
 * The version of every sealed record. It is higher than the version of any kind. A package version without sealing
 * therefore reports that a newer version wrote the record.
 */
const SEALED_VERSION = 1_000_000;

/** A kind of record that is sealed. */
export type SealedKind = 'subscription' | 'event';

/**
 * Whether records of a kind are sealed. A subscription is sealed whole: it holds secrets, callbacks and tokens, and
 * anyone who could change its hub would receive them. For an event, only the headers are sealed: a proxy may have added
 * the callback to them, and a hub its credentials. Other kinds hold no secrets.
 */
export function isSealedKind(kind: string): kind is SealedKind {
  return kind === 'subscription' || kind === 'event';
}

/** Seals a record for the store. */
export function sealRecord(key: SealKey, kind: SealedKind, id: string, record: unknown): unknown {
  const event = kind === 'event' ? eventIn(record) : undefined;
  if (event === undefined) {
    return { v: SEALED_VERSION, data: { sealed: seal(key, { kind, id, field: 'record' }, record) } };
  }
  const { headers, ...unsealed } = event.data;
  const sealed = seal(key, { kind, id, field: 'headers' }, headers);
  return { v: SEALED_VERSION, data: { sealed, rest: { v: event.v, data: unsealed } } };
}

/** Opens a stored record. Returns undefined when it is not sealed. */
export function openRecord(
  keys: ReadonlyMap<string, SealKey>,
  kind: SealedKind,
  id: string,
  raw: unknown,
): OpenResult | undefined {
  if (!isRecord(raw) || raw['v'] !== SEALED_VERSION) return undefined;
  const { data } = raw;
  if (!isRecord(data)) return { type: 'broken', why: SEAL_PROBLEM.sealedPartMissing };
  const { sealed, rest } = data;
  if (rest === undefined) return open(keys, { kind, id, field: 'record' }, sealed);
  const opened = open(keys, { kind, id, field: 'headers' }, sealed);
  if (opened.type !== 'opened') return opened;
  if (!isRecord(rest) || !isRecord(rest['data'])) return { type: 'broken', why: SEAL_PROBLEM.unsealedPartMissing };
  return { ...opened, value: { v: rest['v'], data: { ...rest['data'], headers: opened.value } } };
}

/** The versioned data of an event record with headers; undefined for any other record. */
function eventIn(record: unknown): { readonly v: unknown; readonly data: Fields } | undefined {
  if (!isRecord(record) || Object.keys(record).join() !== 'v,data') return undefined;
  const { v, data } = record;
  return isRecord(data) && data['headers'] !== undefined ? { v, data } : undefined;
}

type Fields = Readonly<Record<string, unknown>>;
