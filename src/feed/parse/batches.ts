/**
 * A member to add: the container's number, the name, and the value. With `opens`, the value is an empty container with
 * that number, and later rows fill it.
 */
export type Row = readonly [into: number, name: string | number, value: unknown, opens?: number];

type Container = unknown[] | Record<string, unknown>;

/** The weight of a batch, about one per value. Receiving a batch takes a millisecond or two. */
const BATCH_WEIGHT = 4_000;

/** Characters that weigh as much as one value. */
const TEXT_WEIGHT = 64;

/** The number of the container that holds the whole value. */
const ROOT = 0;

interface OpenContainer {
  readonly number: number;
  readonly members: Iterator<readonly [string | number, unknown]>;
}

/**
 * Splits plain data into batches for another thread. Receiving a large value at once would block that thread. One entry
 * may hold most of a document, so large arrays and objects are split at any depth. A string is never split.
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

/** Reassembles a value from its batches, added in their original order. */
export class BatchAssembler {
  readonly #root: { value?: unknown } = {};
  readonly #containers = new Map<number, Container>([[ROOT, this.#root]]);

  add(rows: readonly Row[]): void {
    for (const [into, name, value, opens] of rows) {
      put(this.#containers.get(into), name, value);
      if (opens !== undefined && isContainer(value)) this.#containers.set(opens, value);
    }
  }

  /** The value. Complete once the last batch is added. */
  get value(): unknown {
    return this.#root.value;
  }
}

function put(container: Container | undefined, name: string | number, value: unknown): void {
  if (container === undefined) throw new Error('A row arrived before its container');
  if (Array.isArray(container)) container.push(value);
  // JSON may contain a member of this name; assigning it would set the prototype.
  else if (name === '__proto__') Object.defineProperty(container, name, { value, ...DATA_PROPERTY });
  else container[name] = value;
}

const DATA_PROPERTY = { configurable: true, enumerable: true, writable: true };

/** Weighs a value. Stops above `limit`, so the result may then be any number above it. */
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

/** Whether a value is an array or a parsed object. A date is neither. */
function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null && !(value instanceof Date);
}
