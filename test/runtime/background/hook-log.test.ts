import { describe, expect, it } from 'vitest';
import { HOOK_NAMES, type HookPayload, subscriberHooks } from '../../../src/delivery/hook-payloads.js';
import { announce } from '../../../src/runtime/background/hook-log.js';
import { Counters } from '../../../src/subscription/record/counters.js';
import type { TransitionHook } from '../../../src/subscription/machine/hook-effect.js';
import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { recordingLogger, type RecordingLogger } from '../../kit/recording-logger.js';
import { active, failure, HUB, START, TOPIC } from '../../subscription/machine/life.js';

/** A record with everything in it that is not to be told. */
function telltale(): SubscriptionRecord {
  const { record } = active();
  const grants = record.grants.map((grant) => ({
    ...grant,
    path: 'the-token-of-the-callback',
    callback: 'https://me.example/websub/the-token-of-the-callback',
    verifyToken: 'the-verify-token',
    secrets: [{ value: 'the-secret', role: 'current' as const }],
  }));
  return { ...record, grants, overrides: { secret: 'the-secret' } };
}

function announced(
  record: SubscriptionRecord,
  effect: Parameters<typeof announce>[1],
  isClosing = false,
): { readonly logger: RecordingLogger; readonly heard: readonly HookPayload[] } {
  const logger = recordingLogger();
  const hooks = subscriberHooks(logger);
  const heard: HookPayload[] = [];
  hooks.on(effect.name, (payload) => void heard.push(payload));
  const entry = { record, counters: new Counters(record.id, new Set()), keys: [] };
  announce(record, effect, { entry, hooks, logger, now: () => START, isClosing: () => isClosing });
  return { logger, heard };
}

const NAMES: readonly (readonly [TransitionHook, string])[] = [
  ['requested', 'asking the hub to subscribe'],
  ['verified', 'subscribed'],
  ['renewed', 'subscription renewed'],
  ['denied', 'the hub denied the subscription'],
  ['expired', 'the lease ran out'],
  ['unsubscribed', 'unsubscribed'],
  ['failed', 'an attempt failed'],
  ['hub-moved', 'the hub has moved'],
  ['topic-moved', 'the topic has moved'],
];

describe('what becomes of a subscription', () => {
  it.each(NAMES)('is logged with its id, hub and topic, and heard: %s', (name, saying) => {
    const record = telltale();
    const grantId = record.grants[0]?.id ?? '';
    const { logger, heard } = announced(record, { type: 'hook', name, grantId, failure: failure('hub-error') });
    expect(logger.lines).toHaveLength(1);
    expect(logger.lines[0]?.fields).toEqual({
      subscription: record.id,
      service: 'News',
      grant: grantId,
      hub: HUB,
      topic: TOPIC,
      code: 'ERR_WEBSUB',
    });
    expect(logger.lines[0]?.message).toMatch(new RegExp(`^${saying}: because of hub-error`));
    expect(JSON.stringify(logger.lines)).not.toMatch(/the-secret|the-token|the-verify-token/);
    expect(heard).toMatchObject([{ subscription: { id: record.id }, grant: { id: grantId }, at: new Date(START) }]);
    expect(JSON.stringify(heard)).not.toMatch(/the-secret|the-verify-token/);
    expect(HOOK_NAMES).toContain(name);
  });

  it('names the next try, or the other hub that is asked now; nothing of that during a stop', () => {
    const record = { ...telltale(), attempts: 1, nextAttemptAt: START + 60_000 };
    const grantId = record.grants[0]?.id ?? '';
    const effect = { type: 'hook', name: 'failed', grantId, failure: failure('hub-error') } as const;
    const said = (of: Parameters<typeof announce>[1], isClosing = false): string | undefined =>
      announced(record, of, isClosing).logger.lines[0]?.message;
    expect(said(effect)).toMatch(/\(next try: \d{4}-.*Z\)$/);
    expect(said({ ...effect, nextHub: 'https://b.example/' })).toMatch(/\(asking hub https:\/\/b\.example\/ now\)$/);
    expect(said(effect, true)).toBe('an attempt failed: because of hub-error');
  });

  it('is heard with the grant that it tells of, also where the record has forgotten it', () => {
    const { grants, ...rest } = telltale();
    const [forgotten] = grants;
    const effect = { type: 'hook', name: 'denied', grantId: forgotten?.id ?? '', failure: failure('denied') } as const;
    const { heard } = announced({ ...rest, grants: [] }, { ...effect, removedGrant: forgotten });
    expect(heard).toMatchObject([{ grant: { id: forgotten?.id }, error: { message: 'because of denied' } }]);
  });

  it('is logged with its target where no hub is concerned', () => {
    const { grants: _, ...rest } = telltale();
    const record = { ...rest, grants: [] };
    const fieldsOf = (of: SubscriptionRecord): object | undefined =>
      announced(of, { type: 'hook', name: 'failed', failure: failure('discovery') }).logger.lines[0]?.fields;
    const about = { subscription: record.id, service: 'News', code: 'ERR_WEBSUB' };
    expect(fieldsOf(record)).toEqual({ ...about, target: TOPIC, topic: TOPIC, hubs: [HUB] });
    expect(fieldsOf({ ...record, topic: undefined, hubs: [] })).toEqual({ ...about, target: TOPIC });
    expect(fieldsOf({ ...record, target: { hub: HUB, topic: TOPIC } })).toEqual({ ...about, hub: HUB, topic: TOPIC });
  });
});
