import * as fc from 'fast-check';
import { setImmediate as macrotask } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Inbox } from '../../../src/delivery/inbox/inbox.js';
import type { StoredRun } from '../../../src/delivery/handler/handler-run.js';
import { decodeEvent, type StoredEvent } from '../../../src/delivery/inbox/stored-event.js';
import { embeddedEngine, type EmbeddedEngine } from '../../../src/engine/embedded-engine.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { deferred, FakeWorld, type Deferred } from '../../kit/fake-world.js';
import { failed, markedEvents } from './inbox-set-up.js';
import { storedEventWith } from '../message/reception.js';

/** The same at every run, so that a change is what makes it fail; `SEED=… RUNS=… npx vitest run …` looks at others. */
const SEED = Number(process.env['SEED'] ?? 20_260_101);
const RUNS = Number(process.env['RUNS'] ?? 400);
const RETRY_FOR_SECONDS = 10;

const DONE: StoredRun = { type: 'done', acknowledgement: undefined };

async function quiet(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await macrotask();
}

/** One process after another on one store whose writes take as long as they are made to, and fail where they are to. */
class Life {
  readonly wrong: string[] = [];
  /** What the store fails at until it is told otherwise. */
  isOutOfOrder = false;
  readonly #acknowledged = new Set<string>();
  /** What was handled or given up. */
  readonly #over = new Set<string>();
  /** Of each subscription, what was received and is not over, in order. */
  readonly #lines = new Map<string, string[]>();
  readonly #dead: StoredEvent[] = [];
  readonly #world = new FakeWorld();
  readonly #rows = new Map<string, unknown>();
  readonly #markers = new Map<string, unknown>();
  #writes: ((isTaken: boolean) => void)[] = [];
  #runs: { readonly event: StoredEvent; readonly end: Deferred<StoredRun> }[] = [];
  #engine: EmbeddedEngine | undefined;
  #inbox: Inbox | undefined;
  #process = 0;
  #received = 0;
  #isSlow = true;

  async start(): Promise<void> {
    const process = this.#process;
    const engine = embeddedEngine({ now: () => this.#world.now });
    const store = this.#store(process);
    const { markers, marked } = markedEvents(store, engine, { logger: this.#world.logger, now: () => this.#world.now });
    const inbox = new Inbox({
      store,
      crashGuard: marked,
      engine,
      logger: this.#world.logger,
      now: () => this.#world.now,
      random: () => 0.5,
      limitsOf: () => ({ concurrency: 3, retryForSeconds: RETRY_FOR_SECONDS, order: 'subscription' }),
      run: (event) => this.#run(process, event),
      onRecovered: () => {},
      onRecoveredDeadLetter: (event) => void this.#dead.push(event),
      onDeadLetter: (event) => void this.#dead.push(event),
    });
    this.#runs = [];
    this.#dead.splice(0);
    this.#engine = engine;
    this.#inbox = inbox;
    await markers.load();
    await inbox.load();
    engine.tick();
  }

  /** @param landed a bit for each write that is under way: whether the store has it */
  async kill(landed: number): Promise<void> {
    this.#process += 1;
    for (const [place, land] of this.#writes.splice(0).entries()) land(((landed >> place) & 1) === 1);
    await quiet();
    await this.start();
  }

  receive(subscriptionId: string): void {
    this.#received += 1;
    const id = `${99 - this.#received} ${subscriptionId}`;
    this.#line(subscriptionId).push(id);
    void this.#enqueue(storedEventWith({ id, subscriptionId, receivedAt: this.#world.now }));
  }

  async replay(): Promise<void> {
    const event = this.#dead.shift();
    if (event === undefined) return;
    const { id, subscriptionId } = event.meta;
    this.#over.delete(id);
    this.#line(subscriptionId).push(id);
    try {
      await this.#inbox?.requeue(event);
    } catch {
      this.#dead.push(event);
    }
  }

  write(place: number, isTaken: boolean): void {
    this.#writes.splice(place % Math.max(1, this.#writes.length), 1)[0]?.(isTaken);
  }

  end(place: number, outcome: StoredRun): void {
    this.#runs.splice(place % Math.max(1, this.#runs.length), 1)[0]?.end.resolve(outcome);
  }

  pass(milliseconds: number): void {
    this.#world.pass(milliseconds);
    this.#engine?.tick();
  }

  /** All is well from now on, and everything is done. */
  async calm(): Promise<void> {
    this.#isSlow = false;
    this.isOutOfOrder = false;
    for (let turn = 0; turn < 60; turn += 1) {
      while (this.#writes.length > 0) this.write(0, true);
      while (this.#runs.length > 0) this.end(0, DONE);
      this.pass(120_000);
      await quiet();
    }
  }

  /** What was acknowledged and is not over, and what waits. */
  get left(): readonly unknown[] {
    const lost = [...this.#acknowledged].filter((id) => !this.#over.has(id));
    return [...lost, ...[...this.#lines.values()].flat(), ...Array(this.#inbox?.loadOf('news').events).fill('waits')];
  }

  async #enqueue(event: StoredEvent): Promise<void> {
    try {
      await this.#inbox?.enqueue(event);
      this.#acknowledged.add(event.meta.id);
    } catch {
      // The hub is told so.
    }
  }

  async #run(process: number, event: StoredEvent): Promise<StoredRun> {
    const end = deferred<StoredRun>();
    if (process !== this.#process) return { type: 'interrupted' };
    const { id, subscriptionId } = event.meta;
    const [first] = this.#line(subscriptionId);
    if (id !== first) this.wrong.push(`${id} was run and it was the turn of ${first}`);
    if (this.#runs.some((run) => run.event.meta.id === id)) this.wrong.push(`${id} was run twice at once`);
    this.#runs.push({ event, end });
    return end.promise;
  }

  #store(process: number): RecordStore {
    const change = async (act: () => void, refuse: () => void): Promise<void> => {
      if (process !== this.#process) throw new Error('the process is dead');
      const isTaken = deferred<boolean>();
      if (this.isOutOfOrder) isTaken.resolve(false);
      else if (this.#isSlow) this.#writes.push(isTaken.resolve);
      else isTaken.resolve(true);
      if (await isTaken.promise) {
        act();
      } else {
        refuse();
        throw new Error('out of order');
      }
      // Whoever is dead does not learn of it.
      if (process !== this.#process) await new Promise<void>(() => {});
    };
    const leave = (id: string): void => {
      const line = this.#line(id.slice(3));
      if (line.includes(id)) line.splice(line.indexOf(id), 1);
    };
    const isDead = (id: string, row: unknown): boolean => decodeEvent(id, row).retry.deadSince !== undefined;
    const rows = this.#rows;
    const markers = this.#markers;
    return {
      location: 'the test',
      durable: true,
      get: async (kind, id) => {
        if (this.isOutOfOrder) throw new Error('out of order');
        return (kind === 'marker' ? markers : rows).get(id);
      },
      set: (kind, id, value) =>
        change(
          () => {
            (kind === 'marker' ? markers : rows).set(id, value);
            if (kind === 'marker' || !isDead(id, value)) return;
            this.#over.add(id);
            leave(id);
          },
          () => {
            if (kind === 'marker') return;
            const row = rows.get(id);
            if (row !== undefined && !isDead(id, row)) return;
            if (row !== undefined) this.#over.add(id);
            leave(id);
          },
        ),
      delete: (kind, id) =>
        change(
          () => {
            (kind === 'marker' ? markers : rows).delete(id);
            if (kind === 'marker') return;
            this.#over.add(id);
            leave(id);
          },
          () => {},
        ),
      // By id, which is not the order of reception.
      async *list() {
        for (const id of [...rows.keys()].toSorted()) yield [id, rows.get(id)] as const;
      },
      close: async () => {},
    };
  }

  #line(subscriptionId: string): string[] {
    const line = this.#lines.get(subscriptionId) ?? [];
    this.#lines.set(subscriptionId, line);
    return line;
  }
}

type Happening = readonly [what: string, act: (life: Life) => unknown];

const subscription = fc.constantFrom('a', 'b');
const outcome = fc.oneof(
  { weight: 3, arbitrary: fc.constant(DONE) },
  { weight: 2, arbitrary: fc.constant(failed('no')) },
);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: subscription.map((id): Happening => [`news for ${id}`, (life) => life.receive(id)]) },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.nat(5), fc.integer({ min: 0, max: 4 }))
      .map(([place, chance]): Happening => [
        `write ${place} ends ${chance > 0}`,
        (life) => life.write(place, chance > 0),
      ]),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.nat(5), outcome)
      .map(([place, given]): Happening => [`run ${place} ${given.type}`, (life) => life.end(place, given)]),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(1_000, 5_000, 60_000, -3_600_000)
      .map((wait): Happening => [`${wait} ms pass`, (life) => life.pass(wait)]),
  },
  { weight: 1, arbitrary: fc.nat(255).map((bits): Happening => [`kill ${bits}`, (life) => life.kill(bits)]) },
  { weight: 1, arbitrary: fc.constant<Happening>(['replay', (life) => void life.replay()]) },
  {
    weight: 1,
    arbitrary: fc.boolean().map((isOut): Happening => [`fails: ${isOut}`, (life) => void (life.isOutOfOrder = isOut)]),
  },
);

test('C7 whatever stores, handlers, clocks and kills do, a subscription’s events come in order, and none is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { minLength: 10, maxLength: 60, size: 'max' }), async (happenings) => {
      const life = new Life();
      await life.start();
      for (const [, act] of happenings) {
        await act(life);
        await quiet();
      }
      await life.calm();
      const trace = happenings.map(([what]) => what);
      expect(life.wrong.length === 0 ? [] : [...life.wrong, ...trace]).toEqual([]);
      expect(life.left.length === 0 ? [] : [...life.left, ...trace]).toEqual([]);
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 120_000);
