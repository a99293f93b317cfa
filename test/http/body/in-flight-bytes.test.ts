import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InFlightBytes, type BodyReservation } from '../../../src/http/body/in-flight-bytes.js';

/** Bytes in flight that note who is cut off. */
function counted(maxInFlightBytes: number, maxBodyBytes: number) {
  const inFlight = new InFlightBytes({ maxInFlightBytes, maxBodyBytes });
  const cut: string[] = [];
  const begin = (name: string, bytes: number, grantId = name): BodyReservation => {
    const hold = inFlight.reserve(grantId, () => void cut.push(name));
    hold.update(bytes);
    return hold;
  };
  return { inFlight, cut, begin };
}

describe('C6 bytes in flight', () => {
  test('are what all bodies hold, until they are let go', () => {
    const { inFlight, begin, cut } = counted(100, 10);
    const one = begin('one', 10);
    const two = begin('two', 5);
    expect(inFlight.bytes).toBe(15);
    two.update(8);
    expect(inFlight.bytes).toBe(18);
    one.release();
    one.release();
    one.update(10);
    expect(inFlight.bytes).toBe(8);
    two.release();
    expect([inFlight.bytes, cut]).toEqual([0, []]);
  });

  test('at the cap, the body without progress for longest is cut off, and no other', () => {
    const { inFlight, begin, cut } = counted(100, 25);
    const [first] = ['first', 'second', 'third', 'fourth'].map((name) => begin(name, 25));
    first?.update(25);
    begin('fifth', 20);
    expect([cut, inFlight.bytes]).toEqual([['second'], 95]);
    begin('sixth', 25);
    expect([cut, inFlight.bytes]).toEqual([['second', 'third'], 95]);
  });

  test('of one grant are a quarter at most: its own body without progress for longest is cut off', () => {
    const { inFlight, begin, cut } = counted(100, 20);
    begin('stranger', 5);
    begin('one', 10, 'grant');
    begin('two', 10, 'grant');
    expect(cut).toEqual([]);
    begin('three', 10, 'grant');
    expect([cut, inFlight.bytes]).toEqual([['one'], 25]);
  });

  test('of one grant are one body of the largest size, whatever the quarter is', () => {
    const { begin, cut } = counted(100, 80);
    begin('one', 80, 'grant');
    begin('stranger', 20);
    expect(cut).toEqual([]);
    begin('two', 1, 'grant');
    expect(cut).toEqual(['one']);
  });

  test('are never over both caps while more than one body holds any, whatever happens', () => {
    const step = fc.record({
      body: fc.nat({ max: 19 }),
      grant: fc.nat({ max: 3 }),
      bytes: fc.nat({ max: 30 }),
      ends: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const inFlight = new InFlightBytes({ maxInFlightBytes: 100, maxBodyBytes: 30 });
        const bodies = new Map<number, { readonly hold: BodyReservation; readonly grant: string; bytes: number }>();
        for (const { body, grant, bytes, ends } of steps) {
          const known = bodies.get(body);
          if (ends) {
            known?.hold.release();
            bodies.delete(body);
            continue;
          }
          const grantId = known?.grant ?? String(grant);
          const hold = known?.hold ?? inFlight.reserve(grantId, () => void bodies.delete(body));
          const mine = known ?? { hold, grant: grantId, bytes: 0 };
          bodies.set(body, mine);
          mine.bytes = bytes;
          hold.update(bytes);
          expect(bodies.has(body), 'what makes progress is not cut off').toBe(true);
          const held = [...bodies.values()];
          const sum = (of: typeof held): number => of.reduce((total, each) => total + each.bytes, 0);
          expect(inFlight.bytes).toBe(sum(held));
          expect(inFlight.bytes).toBeLessThanOrEqual(100);
          const ofGrant = held.filter((each) => each.grant === grantId);
          expect(sum(ofGrant)).toBeLessThanOrEqual(30);
        }
        for (const { hold } of bodies.values()) hold.release();
        expect(inFlight.bytes).toBe(0);
      }),
    );
  });
});
