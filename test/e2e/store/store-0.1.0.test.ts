import { describe, expect, it } from 'vitest';
import type { SubscriptionTarget } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import type { OldGrant, OldSubscription } from './old-store/expected.js';
import { openOld } from './old-store/old-world.js';
import { storeKinds } from './old-store/places.js';
import { until } from '../../kit/until.js';

const HOUR_MS = 3_600_000;

for (const [kind, isAvailable] of await storeKinds()) {
  describe.skipIf(!isAvailable)(`the subscriptions of a store that 0.1.0 wrote, on ${kind}`, () => {
    it('L4 are the same, and so are their grants', async () => {
      const { runtime, expected, world } = await openOld(kind);
      expect(await runtime.subscriptions.find()).toHaveLength(expected.subscriptions.length);
      for (const old of expected.subscriptions.filter(isNotDenied)) {
        const { service, target, declared, desired, state, stats } = old;
        const current = await runtime.subscriptions.get(old.id);
        expect(current).toMatchObject({ service, target, declared, desired, state });
        expect(JSON.parse(JSON.stringify(current?.stats))).toMatchObject(stats);
        for (const { id, hub, topic, callback, expiresAt } of old.grants.filter(isLive)) {
          const grant = current?.grants.find((currentGrant) => currentGrant.id === id);
          expect(grant).toMatchObject({ hub, topic, callback });
          expect(grant?.expiresAt?.getTime()).toBe(expiresAt);
        }
      }
      expect(world.events('error')).toEqual([]);
    });

    it('V1 V4 can be verified on the old callbacks, with the old topics only', async () => {
      const { expected, get } = await openOld(kind);
      for (const { grant, subscription } of grantsOf(expected.subscriptions)) {
        const { topic, state } = grant;
        const query = { 'hub.mode': 'subscribe', 'hub.challenge': 'echo', 'hub.lease_seconds': '864000' };
        expect(await get(grant, { ...query, 'hub.topic': `${topic}/other` })).toMatchObject({ status: 404 });
        if (state !== 'active' && subscription.state !== 'verifying') continue;
        const answer = await get(grant, { ...query, 'hub.topic': topic });
        expect({ topic, ...answer }).toEqual({ topic, status: 200, text: 'echo' });
      }
    });

    it('S4 keep their verify token', async () => {
      const { expected, get } = await openOld(kind);
      const hasVerifyToken = ({ grant }: { readonly grant: OldGrant }): boolean => grant.verifyToken !== undefined;
      const { grant } = grantsOf(expected.subscriptions).find(hasVerifyToken) ?? missing();
      const query = { 'hub.mode': 'subscribe', 'hub.topic': grant.topic, 'hub.challenge': 'echo' };
      expect(await get(grant, { ...query, 'hub.verify_token': 'another' })).toMatchObject({ status: 404 });
      expect(await get(grant, { ...query, 'hub.verify_token': grant.verifyToken ?? '' })).toMatchObject({
        status: 200,
      });
    });

    it('C2 V6 accept content signed with any secret that 0.1.0 accepted, and no other content', async () => {
      const { expected, events, post, world } = await openOld(kind);
      const liveGrants = grantsOf(expected.subscriptions).filter(({ grant }) => isLive(grant));
      const sentBodies: string[] = [];
      for (const { grant, subscription } of liveGrants) {
        expect(await post(grant, 'forged', 'a wrong secret')).toBe(403);
        expect(await post(grant, 'unsigned')).toBe(403);
        for (const secret of grant.secrets) {
          const body = `${subscription.id} ${secret}`;
          expect({ body, status: await post(grant, body, secret) }).toEqual({ body, status: 202 });
          sentBodies.push(body);
        }
      }
      // Includes a rotated secret, a renewal without verification, and an unverified unsubscription.
      expect(sentBodies).toHaveLength(20);
      // Events behind a failed one wait for its retry.
      world.advance(HOUR_MS);
      await until(() => sentBodies.every((body) => events.some((event) => event.text() === body)));
      expect(events.filter((event) => /^(forged|unsigned)$/.test(event.text()))).toEqual([]);
    });

    it('C1 answer deliveries with 410 if they had ended', async () => {
      const { expected, post } = await openOld(kind);
      const ended = grantsOf(expected.subscriptions).filter(({ grant }) => grant.state === 'unsubscribed');
      expect(ended).toHaveLength(3);
      for (const { grant } of ended) expect(await post(grant, 'late', grant.secrets[0])).toBe(410);
    });

    it('L4 are not requested while their lease is running, nor if they had been stopped', async () => {
      await using hub = await TestHub.start();
      const { world, expected, runtime } = await openOld(kind, { hubs: { hub } });
      for (let hours = 0; hours < 48; hours += 6) {
        world.advance(6 * HOUR_MS);
        world.runCron('0 * * * *');
        world.runCron('*/10 * * * *');
      }
      await until(() => requestedTopics(hub).some((topic) => topic.endsWith('/busy')));
      const stopped = expected.subscriptions.filter(isStopped);
      expect(stopped).toHaveLength(4);
      for (const { id, state } of stopped) expect(await runtime.subscriptions.get(id)).toMatchObject({ state });
      // The renewal of /rotating was in flight when 0.1.0 stopped.
      const leased = expected.subscriptions.filter(
        ({ state, target }) => state === 'active' && !isBeingRenewed(target),
      );
      const unrequestedTopics = new Set(
        [...stopped, ...leased].flatMap(({ grants }) => grants.map(({ topic }) => topic)),
      );
      expect(requestedTopics(hub).filter((topic) => unrequestedTopics.has(topic))).toEqual([]);
    });
  });
}

function missing(): never {
  throw new Error('the fixture has no such grant');
}

/** Denied subscriptions have their own test, because their rule differs from 0.1.0. */
function isNotDenied({ service }: OldSubscription): boolean {
  return service !== 'Denied';
}

function isBeingRenewed(target: SubscriptionTarget): boolean {
  return typeof target === 'string' && target.endsWith('/rotating');
}

function isStopped({ service, state }: OldSubscription): boolean {
  return service === 'GaveUp' || service === 'Refusing' || state === 'unsubscribed';
}

function isLive({ state }: OldGrant): boolean {
  return state === 'active' || state === 'unsubscribing';
}

function grantsOf(subscriptions: readonly OldSubscription[]) {
  const notDenied = subscriptions.filter(isNotDenied);
  return notDenied.flatMap((subscription) => subscription.grants.map((grant) => ({ subscription, grant })));
}

/** The topics of the subscribe requests at a hub. */
function requestedTopics(hub: TestHub): readonly string[] {
  const forms = hub.requests.filter(({ method }) => method === 'POST').map(({ form }) => form);
  return forms.filter((form) => form.get('hub.mode') === 'subscribe').map((form) => form.get('hub.topic') ?? '');
}
