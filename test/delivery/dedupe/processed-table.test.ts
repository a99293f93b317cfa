import { array, assert, boolean, constant, double, integer, oneof, option, property, record } from 'fast-check';
import { expect, test } from 'vitest';
import type { ProcessedVersion } from '../../../src/delivery/dedupe/processed-version.js';
import { ProcessedTable } from '../../../src/delivery/dedupe/processed-table.js';

const time = double({ noNaN: true });
const flag = boolean().map((isSet) => (isSet ? true : undefined));
const key = integer({ min: 0, max: 30 }).map((number) => `digest ${number}`);
const version = record({
  at: time,
  version: oneof(constant(''), constant('a version')),
  updated: option(time, { nil: undefined }),
  deleted: flag,
  isBaseline: flag,
  storedAt: time,
});

test('the table keeps rows in the order in which they were last set', () => {
  const setStep = record({ type: constant('set' as const), key, version });
  const deleteStep = record({ type: constant('delete' as const), key });
  assert(
    property(array(oneof(setStep, deleteStep), { maxLength: 200 }), (steps) => {
      const table = new ProcessedTable();
      const model = new Map<string, ProcessedVersion>();
      for (const step of steps) {
        model.delete(step.key);
        if (step.type === 'delete') {
          table.delete(step.key);
        } else {
          table.set(step.key, step.version);
          model.set(step.key, step.version);
        }
        expect(table.keys()).toEqual([...model.keys()]);
        expect(table.oldest()).toBe([...model.keys()][0]);
        expect(table.size).toBe(model.size);
      }
      for (const [existingKey, value] of model)
        expect([table.has(existingKey), table.get(existingKey)]).toEqual([true, value]);
      expect([table.has('none'), table.get('none')]).toEqual([false, undefined]);
    }),
  );
});

test('the table holds more than one page of rows', () => {
  const table = new ProcessedTable();
  const keys = Array.from({ length: 10_000 }, (_, index) => `${index}`);
  for (const [at, each] of keys.entries()) table.set(each, { at, version: each, storedAt: -at });
  for (const each of keys.slice(0, 5_000)) table.delete(each);
  for (const each of keys.slice(0, 5_000)) table.set(each, { at: 1, version: 'again', storedAt: 1 });
  expect(table.keys()).toEqual([...keys.slice(5_000), ...keys.slice(0, 5_000)]);
  expect(table.get('9999')).toMatchObject({ at: 9_999, version: '9999', storedAt: -9_999 });
  expect(table.get('4999')).toMatchObject({ at: 1, version: 'again' });
});
