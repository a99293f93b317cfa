import { describe, expect, test } from 'vitest';
import { historyEntry, withEntry, type HistoryEntry } from '../../../src/subscription/history/history.js';
import { active, failure, HUB, START, SubscriptionMachine, verifying } from '../machine/subscription-machine.js';

const entry = (fields: Partial<HistoryEntry> = {}): HistoryEntry => ({
  at: START,
  event: 'failed',
  grant: 'g1',
  hub: HUB,
  code: 'ERR_WEBSUB',
  reason: 'no',
  ...fields,
});

const after = (...entries: readonly HistoryEntry[]): readonly HistoryEntry[] =>
  entries.reduce<readonly HistoryEntry[]>((history, each) => withEntry(history, each), []);

/** The entries of the hooks of a machine's last input. */
const entriesOf = ({ record, effects, now }: SubscriptionMachine): readonly HistoryEntry[] =>
  effects.flatMap((effect) => (effect.type === 'hook' ? historyEntry(record, effect, now) : []));

describe('a history entry', () => {
  test('tells the hook, the grant and the hub', () => {
    expect(entriesOf(verifying())).toEqual([{ at: START, event: 'requested', grant: 'g1', hub: HUB }]);
  });

  test('tells the failure, also of a discovery, which has no grant', () => {
    const machine = new SubscriptionMachine().apply({ type: 'wanted' });
    machine.apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(entriesOf(machine)).toEqual([
      { at: START, event: 'failed', code: 'ERR_WEBSUB', reason: 'because of discovery' },
    ]);
  });

  test('cuts the message and the URL of the hub at 200 bytes, and never within a character', () => {
    const machine = active();
    const words = `${'é'.repeat(98)}🎉${'é'.repeat(98)}`;
    const { record } = machine;
    const hub = `https://hub.example/${'a'.repeat(500)}`;
    const grants = record.grants.map((grant) => ({ ...grant, hub }));
    const hook = {
      type: 'hook',
      name: 'failed',
      grantId: 'g1',
      failure: { ...failure('refused'), message: words },
    } as const;
    const { reason = '', hub: cutHub = '' } = historyEntry({ ...record, grants }, hook, START);
    expect(reason).toBe(`${'é'.repeat(98)}…`);
    expect(Buffer.byteLength(cutHub)).toBe(200);
  });
});

describe('a history', () => {
  test('merges equal neighbors, and keeps when the first and the last happened', () => {
    expect(after(entry(), entry({ at: START + 1 }), entry({ at: START + 2 }))).toEqual([
      entry({ at: START + 2, since: START, count: 3 }),
    ]);
    expect(after(entry(), entry({ reason: 'another' }), entry())).toHaveLength(3);
  });

  test('replaces a request by its outcome, so that repeated failures are one entry', () => {
    const request: HistoryEntry = { at: START, event: 'requested', grant: 'g1', hub: HUB };
    expect(after(request, entry(), request, entry({ at: START + 1 }), request)).toEqual([
      entry({ at: START + 1, since: START, count: 2 }),
      request,
    ]);
    expect(after({ ...request, grant: 'g2' }, entry())).toHaveLength(2);
    expect(after(request, { ...request, event: 'unsubscribed' })).toHaveLength(2);
  });

  test('has at most 100 entries, the latest ones', () => {
    const entries = Array.from(
      { length: 130 },
      (_, index) => ({ at: index, event: 'renewed', grant: `g${index}` }) as const,
    );
    expect(after(...entries).map(({ at }) => at)).toEqual(Array.from({ length: 100 }, (_, index) => index + 30));
  });

  test('has at most 8 KiB as JSON', () => {
    const entries = Array.from({ length: 100 }, (_, at) => entry({ at, reason: `${at} ${'🎉'.repeat(45)}` }));
    const history = after(...entries);
    const bytes = Buffer.byteLength(JSON.stringify(history));
    expect(bytes).toBeLessThanOrEqual(8_192);
    expect(bytes).toBeGreaterThan(8_192 - 400);
    expect(history.at(-1)?.at).toBe(99);
  });
});
