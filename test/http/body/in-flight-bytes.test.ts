import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InFlightBytes, type BodyReservation } from '../../../src/http/body/in-flight-bytes.js';

/** Bytes in flight that record the evicted bodies. */
function setUp(maxInFlightBytes: number, maxBodyBytes: number) {
  const inFlight = new InFlightBytes({ maxInFlightBytes, maxBodyBytes });
  const evicted: string[] = [];
  const reserve = (name: string, bytes: number, grantId = name): BodyReservation => {
    const reservation = inFlight.reserve(grantId, () => void evicted.push(name));
    reservation.update(bytes);
    return reservation;
  };
  return { inFlight, evicted, reserve };
}

describe('C6 bytes in flight', () => {
  test('are the bytes of all bodies until they are released', () => {
    const { inFlight, reserve, evicted } = setUp(100, 10);
    const one = reserve('one', 10);
    const two = reserve('two', 5);
    expect(inFlight.bytes).toBe(15);
    two.update(8);
    expect(inFlight.bytes).toBe(18);
    one.release();
    one.release();
    one.update(10);
    expect(inFlight.bytes).toBe(8);
    two.release();
    expect([inFlight.bytes, evicted]).toEqual([0, []]);
  });

  test('above the limit lead to the eviction of the body without progress for the longest time', () => {
    const { inFlight, reserve, evicted } = setUp(100, 25);
    const [first] = ['first', 'second', 'third', 'fourth'].map((name) => reserve(name, 25));
    first?.update(25);
    reserve('fifth', 20);
    expect([evicted, inFlight.bytes]).toEqual([['second'], 95]);
    reserve('sixth', 25);
    expect([evicted, inFlight.bytes]).toEqual([['second', 'third'], 95]);
  });

  test('of one grant above a quarter of the limit lead to the eviction of a body of this grant', () => {
    const { inFlight, reserve, evicted } = setUp(100, 20);
    reserve('other', 5);
    reserve('one', 10, 'grant');
    reserve('two', 10, 'grant');
    expect(evicted).toEqual([]);
    reserve('three', 10, 'grant');
    expect([evicted, inFlight.bytes]).toEqual([['one'], 25]);
  });

  test('of one grant may always be as many as one body of the maximum size has', () => {
    const { reserve, evicted } = setUp(100, 80);
    reserve('one', 80, 'grant');
    reserve('other', 20);
    expect(evicted).toEqual([]);
    reserve('two', 1, 'grant');
    expect(evicted).toEqual(['one']);
  });

  test('never exceed either limit in any sequence of steps', () => {
    const step = fc.record({
      body: fc.nat({ max: 19 }),
      grant: fc.nat({ max: 3 }),
      bytes: fc.nat({ max: 30 }),
      isLast: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const inFlight = new InFlightBytes({ maxInFlightBytes: 100, maxBodyBytes: 30 });
        const bodies = new Map<
          number,
          { readonly reservation: BodyReservation; readonly grant: string; bytes: number }
        >();
        for (const { body, grant, bytes, isLast } of steps) {
          const knownBody = bodies.get(body);
          if (isLast) {
            knownBody?.reservation.release();
            bodies.delete(body);
            continue;
          }
          const grantId = knownBody?.grant ?? String(grant);
          const reservation = knownBody?.reservation ?? inFlight.reserve(grantId, () => void bodies.delete(body));
          const currentBody = knownBody ?? { reservation, grant: grantId, bytes: 0 };
          bodies.set(body, currentBody);
          currentBody.bytes = bytes;
          reservation.update(bytes);
          expect(bodies.has(body), 'a body with progress is not evicted').toBe(true);
          const inFlightBodies = [...bodies.values()];
          const sum = (list: typeof inFlightBodies): number =>
            list.reduce((total, inFlightBody) => total + inFlightBody.bytes, 0);
          expect(inFlight.bytes).toBe(sum(inFlightBodies));
          expect(inFlight.bytes).toBeLessThanOrEqual(100);
          const bodiesOfGrant = inFlightBodies.filter((inFlightBody) => inFlightBody.grant === grantId);
          expect(sum(bodiesOfGrant)).toBeLessThanOrEqual(30);
        }
        for (const { reservation } of bodies.values()) reservation.release();
        expect(inFlight.bytes).toBe(0);
      }),
    );
  });
});
