import { array, assert, constant, integer, nat, oneof, property, record } from 'fast-check';
import { expect, test } from 'vitest';
import { LruMap } from '../../src/delivery/lru-map.js';

test('it has what a map has, in the order in which keys were set last', () => {
  const key = integer({ min: 0, max: 30 }).map((number) => `digest ${number}`);
  const step = oneof(
    record({ type: constant('set' as const), key, value: nat() }),
    record({ type: constant('delete' as const), key }),
  );
  assert(
    property(array(step, { maxLength: 200 }), (steps) => {
      const map = new LruMap<number>();
      const model = new Map<string, number>();
      for (const each of steps) {
        model.delete(each.key);
        if (each.type === 'delete') {
          map.delete(each.key);
        } else {
          map.set(each.key, each.value);
          model.set(each.key, each.value);
        }
        expect(map.keys()).toEqual([...model.keys()]);
        expect(map.oldest()).toBe([...model.keys()][0]);
        expect(map.size).toBe(model.size);
      }
      for (const [known, value] of model) expect([map.has(known), map.get(known)]).toEqual([true, value]);
      expect([map.has('none'), map.get('none')]).toEqual([false, undefined]);
    }),
  );
});
