import { describe, expect, it } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { openOld } from './old-store/old-world.js';
import { storeKinds } from './old-store/places.js';
import { until } from '../../kit/until.js';

for (const [kind, isAvailable] of await storeKinds()) {
  describe.skipIf(!isAvailable)(`a subscription that 0.1.0 stored as denied, on ${kind}`, () => {
    it('N2 is requested again within 120 s of the start, and works once the hub has verified it', async () => {
      await using hub = await TestHub.start({ verify: 'never' });
      for (const path of ['/denied', '/denied-later']) hub.topic(path);
      const { runtime, world, expected, events, post, get } = await openOld(kind, { hubs: { denying: hub } });
      const denied = expected.subscriptions.filter(({ service }) => service === 'Denied');
      expect(denied).toHaveLength(2);
      for (const { id } of denied) expect(await runtime.subscriptions.get(id)).toMatchObject({ state: 'denied' });
      expect(hub.requests).toEqual([]);

      world.advance(120_000);
      const formFor = (target: unknown): URLSearchParams | undefined =>
        hub.requests.find(({ method, form }) => method === 'POST' && form.get('hub.topic') === target)?.form;
      for (const { id, target } of denied) {
        const form = await until(() => formFor(target));
        const [callback = '', topic = '', secret = ''] = ['callback', 'topic', 'secret'].map(
          (name) => form.get(`hub.${name}`) ?? '',
        );
        const query = { 'hub.mode': 'subscribe', 'hub.topic': topic, 'hub.challenge': 'echo' };
        expect(await get({ callback }, query)).toEqual({ status: 200, text: 'echo' });
        expect(await runtime.subscriptions.get(id)).toMatchObject({ state: 'active', callback });
        expect(await post({ callback }, id, secret)).toBe(202);
      }
      const texts = events.filter(({ subscription }) => subscription.service === 'Denied').map((event) => event.text());
      expect(texts).toEqual(denied.map(({ id }) => id));
    });
  });
}
