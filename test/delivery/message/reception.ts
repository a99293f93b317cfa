import type { StoredEvent } from '../../../src/delivery/inbox/stored-event.js';
import { Counters } from '../../../src/subscription/record/counters.js';
import { newSubscription, type GrantRecord } from '../../../src/subscription/record/record.js';
import type { Entry } from '../../../src/subscription/registry/registry.js';

export const grant: GrantRecord = {
  id: 'g1',
  advertisedHub: 'https://hub.example/',
  hub: 'https://hub.example/',
  hubSettled: true,
  topic: 'https://example.com/feed',
  callback: 'https://me.example/websub/x',
  path: 'x',
  state: 'active',
  secrets: [],
  attempts: 0,
};

export function entryOf(grants: readonly GrantRecord[] = [grant]): Entry {
  const wanted = { id: 's1', service: 'news', target: 'https://example.com/feed', declared: true, createdAt: 0 };
  return { record: { ...newSubscription(wanted), grants }, counters: new Counters(wanted.id, new Set()), keys: [] };
}

export const storedEvent: StoredEvent = {
  id: 'e1',
  service: 'news',
  subscriptionId: 's1',
  grantId: 'g1',
  receivedAt: 0,
  headers: [],
  raw: new Uint8Array([1]),
  attempts: 0,
  nextAttemptAt: 0,
  errors: [],
};
