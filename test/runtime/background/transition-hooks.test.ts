import { describe, expect, it } from 'vitest';
import { HOOK_NAMES, type HookPayload, subscriberHooks } from '../../../src/delivery/hook-payloads.js';
import { logAndEmitHook } from '../../../src/runtime/background/transition-hooks.js';
import { Counters } from '../../../src/subscription/record/counters.js';
import type { HookEffect, TransitionHook } from '../../../src/subscription/machine/hook-effect.js';
import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { recordingLogger, type RecordingLogger } from '../../kit/recording-logger.js';
import { testContext } from '../../kit/test-context.js';
import { active, failure, HUB, START, TOPIC } from '../../subscription/machine/subscription-machine.js';

/** A record with secrets and callbacks, which must not appear in a log. */
function recordWithSecrets(): SubscriptionRecord {
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

function logAndEmit(
  record: SubscriptionRecord,
  effect: HookEffect,
  isStopping = false,
): { readonly logger: RecordingLogger; readonly payloads: readonly HookPayload[] } {
  const logger = recordingLogger();
  const hooks = subscriberHooks(logger);
  const payloads: HookPayload[] = [];
  hooks.on(effect.name, (payload) => void payloads.push(payload));
  const stored = { record, counters: new Counters(record.id, new Set()), keys: [] };
  const context = testContext({ hooks, logger, now: () => START });
  if (isStopping) context.closing.begin();
  logAndEmitHook(context, stored, record, effect);
  return { logger, payloads };
}

const FAILED = { code: 'ERR_WEBSUB' };

/** The hooks, each with the level and the further fields of its line. */
const NAMES: readonly (readonly [Exclude<TransitionHook, 'hub-silent'>, 'info' | 'warn', object])[] = [
  ['requested', 'info', { mode: 'subscribe' }],
  ['verified', 'info', {}],
  ['renewed', 'info', {}],
  ['denied', 'warn', FAILED],
  ['expired', 'warn', {}],
  ['unsubscribed', 'info', {}],
  ['failed', 'warn', FAILED],
  ['hub-moved', 'info', {}],
  ['topic-moved', 'info', {}],
];

describe('logAndEmitHook', () => {
  it.each(NAMES)(
    'logs a line with id, hub and topic for the hook %s, and calls its listeners',
    (name, level, furtherFields) => {
      const record = recordWithSecrets();
      const grantId = record.grants[0]?.id ?? '';
      const { logger, payloads } = logAndEmit(record, { type: 'hook', name, grantId, failure: failure('hub-error') });
      expect(logger.lines).toEqual([
        {
          level,
          event: `subscription.${name}`,
          fields: {
            subscription: record.id,
            service: 'News',
            grant: grantId,
            hub: HUB,
            topic: TOPIC,
            ...furtherFields,
          },
          message: expect.stringMatching('code' in furtherFields ? /: because of hub-error$/ : /\w/),
        },
      ]);
      expect(JSON.stringify(logger.lines)).not.toMatch(/the-secret|the-token|the-verify-token/);
      expect(payloads).toMatchObject([
        { subscription: { id: record.id }, grant: { id: grantId }, at: new Date(START) },
      ]);
      expect(JSON.stringify(payloads)).not.toMatch(/the-secret|the-verify-token/);
      expect(HOOK_NAMES).toContain(name);
    },
  );

  it('logs the next attempt or the next hub, but neither of them during a stop', () => {
    const record = { ...recordWithSecrets(), attempts: 1, nextAttemptAt: START + 60_000 };
    const grantId = record.grants[0]?.id ?? '';
    const effect = { type: 'hook', name: 'failed', grantId, failure: failure('hub-error') } as const;
    const fieldsOf = (hookEffect: HookEffect, isStopping = false): object | undefined =>
      logAndEmit(record, hookEffect, isStopping).logger.lines[0]?.fields;
    const withoutNext = { subscription: record.id, service: 'News', grant: grantId, hub: HUB, topic: TOPIC, ...FAILED };
    expect(fieldsOf(effect)).toEqual({ ...withoutNext, nextAttemptAt: new Date(START + 60_000).toISOString() });
    expect(fieldsOf({ ...effect, nextHub: 'https://b.example/' })).toEqual({
      ...withoutNext,
      nextHub: 'https://b.example/',
    });
    expect(fieldsOf(effect, true)).toEqual(withoutNext);
  });

  it('calls the listeners with the grant, even if the record no longer has it', () => {
    const { grants, ...withoutGrants } = recordWithSecrets();
    const [removed] = grants;
    const effect = { type: 'hook', name: 'denied', grantId: removed?.id ?? '', failure: failure('denied') } as const;
    const { payloads } = logAndEmit({ ...withoutGrants, grants: [] }, { ...effect, removedGrant: removed });
    expect(payloads).toMatchObject([{ grant: { id: removed?.id }, error: { message: 'because of denied' } }]);
  });

  it('logs the target if the hook has no grant', () => {
    const { grants: _, ...withoutGrants } = recordWithSecrets();
    const record = { ...withoutGrants, grants: [] };
    const fieldsOf = (subject: SubscriptionRecord): object | undefined =>
      logAndEmit(subject, { type: 'hook', name: 'failed', failure: failure('discovery') }).logger.lines[0]?.fields;
    const ids = { subscription: record.id, service: 'News', code: 'ERR_WEBSUB' };
    expect(fieldsOf(record)).toEqual({ ...ids, target: TOPIC, topic: TOPIC, hubs: [HUB] });
    expect(fieldsOf({ ...record, topic: undefined, hubs: [] })).toEqual({ ...ids, target: TOPIC });
    expect(fieldsOf({ ...record, target: { hub: HUB, topic: TOPIC } })).toEqual({ ...ids, hub: HUB, topic: TOPIC });
  });
});
