import { describe, expect, test } from 'vitest';
import { createMemberFinder } from '../../src/protocol/json-member.js';

/** Where the member is found, and how many characters were read for it. */
function find(json: string, size: number): { index: number; read: number } | undefined {
  const finder = createMemberFinder('items');
  for (let at = 0; at < json.length; at += size) {
    const piece = json.slice(at, at + size);
    const index = finder(piece);
    if (index !== undefined) return { index, read: at + piece.length };
  }
  return undefined;
}

describe('a member of the top object', () => {
  test.each([
    '{"items":1}',
    '{"items" \t\r\n: 1}',
    '{"a": "\\"items\\":", "items":1}',
    '{"a": "\\\\", "items":1}',
    '{"a": {"items": 1}, "b": ["items", ":"], "items":1}',
    '{"a": "items", "items":1}',
  ])('is found in %s, however it is cut', (json) => {
    const index = json.lastIndexOf('"items"');
    for (const size of [1, 2, 3, 7, 1000]) expect(find(json, size)).toMatchObject({ index });
  });

  test('is found as soon as its colon is there', () => {
    expect(find('{"items": [1, 2]}', 1)).toEqual({ index: 1, read: 9 });
  });

  test.each([
    '',
    '["items"]',
    '{"items"',
    '{"a": "items"}',
    '{"a": "items", "b": 1}',
    '{"itemsX": 1, "item": 2, "xitems": 3}',
    '{"a": "items\\": 1"',
    '[{"items": 1}]]',
    '"items": 1',
  ])('is not in %s', (json) => {
    for (const size of [1, 3, 1000]) expect(find(json, size)).toBeUndefined();
  });
});
