/** What is put into which container under which name; `opens`: an empty one, whose contents follow in rows for that number. */
export type Row = readonly [into: number, name: string | number, value: unknown, opens?: number];

type Container = unknown[] | Record<string, unknown>;

/** So many values are in a parcel, near enough: to receive one takes a millisecond or two. */
const BATCH_WEIGHT = 4_000;

/** Characters that count as one value. */
const TEXT_WEIGHT = 64;

/** The container that the whole value is put into. */
const ROOT = 0;

interface OpenContainer {
  readonly number: number;
  readonly members: Iterator<readonly [string | number, unknown]>;
}

/**
 * Cuts plain data into parcels for another thread. To receive a large value at once would keep that thread from all else,
 * as it would to receive one entry that has most of a document in it: so anything that is large is cut, at any depth.
 */
export function* splitIntoBatches(value: unknown, weight = BATCH_WEIGHT): Generator<readonly Row[]> {
  const open: OpenContainer[] = [{ number: ROOT, members: membersOf({ value }) }];
  let rows: Row[] = [];
  let batchWeight = 0;
  let lastNumber = ROOT;
  for (let container = open.at(-1); container !== undefined; container = open.at(-1)) {
    const next = container.members.next();
    if (next.done === true) {
      open.pop();
      continue;
    }
    const [name, member] = next.value;
    const memberWeight = weigh(member, weight);
    if (memberWeight > weight && isContainer(member)) {
      lastNumber += 1;
      rows.push([container.number, name, Array.isArray(member) ? [] : {}, lastNumber]);
      open.push({ number: lastNumber, members: membersOf(member) });
      batchWeight += 1;
    } else {
      rows.push([container.number, name, member]);
      batchWeight += memberWeight;
    }
    if (batchWeight < weight) continue;
    yield rows;
    rows = [];
    batchWeight = 0;
  }
  if (rows.length > 0) yield rows;
}

/** Puts parcels together again, in the order in which they were made. */
export class BatchAssembler {
  readonly #root: { value?: unknown } = {};
  readonly #containers = new Map<number, Container>([[ROOT, this.#root]]);

  add(rows: readonly Row[]): void {
    for (const [into, name, value, opens] of rows) {
      put(this.#containers.get(into), name, value);
      if (opens !== undefined && isContainer(value)) this.#containers.set(opens, value);
    }
  }

  /** The value, once the last parcel is in. */
  get value(): unknown {
    return this.#root.value;
  }
}

function put(container: Container | undefined, name: string | number, value: unknown): void {
  if (container === undefined) throw new Error('A parcel came before the one that it belongs to.');
  if (Array.isArray(container)) container.push(value);
  // JSON may have such a member, which is no prototype.
  else if (name === '__proto__') Object.defineProperty(container, name, { value, ...DATA_PROPERTY });
  else container[name] = value;
}

const DATA_PROPERTY = { configurable: true, enumerable: true, writable: true };

/** More than `most` where it is more than that: then it is not looked at to its end. */
function weigh(value: unknown, limit: number): number {
  if (typeof value === 'string') return 1 + value.length / TEXT_WEIGHT;
  if (!isContainer(value)) return 1;
  let weight = 1;
  for (const [name, member] of membersOf(value)) {
    weight += weigh(member, limit - weight) + (typeof name === 'string' ? name.length / TEXT_WEIGHT : 0);
    if (weight > limit) break;
  }
  return weight;
}

function* membersOf(container: Container): Generator<readonly [string | number, unknown]> {
  if (Array.isArray(container)) yield* container.entries();
  else for (const name of Object.keys(container)) yield [name, container[name]];
}

/** Whether it is an array or an object that has been read; a date is neither. */
function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null && !(value instanceof Date);
}
