import { Keyv } from 'keyv';

type Operation = 'get' | 'set' | 'delete';

/** Rows of a Keyv in memory. Single operations fail on demand. */
export class FaultyStore extends Map<string, unknown> {
  readonly keyv = new Keyv({ store: this });
  /** The operations that fail on events, and on no other record. */
  faults: ReadonlySet<Operation> = new Set();
  /** Whether an operation on a key fails, whatever record it holds. */
  fails: (operation: Operation, key: string) => boolean = () => false;
  /** Makes the error of an operation that fails. */
  failure = (operation: string): Error => new Error(`out of order: ${operation}`);
  /** Called before an event is written. */
  onWrite = (): void => {};
  /** Called before anything is written. */
  onAnyWrite = (): void => {};
  /** Called before an event is read, written or deleted. */
  onAccess = (): void => {};

  override get(key: string): unknown {
    this.#check('get', key);
    return super.get(key);
  }

  override set(key: string, value: unknown): this {
    this.onAnyWrite();
    if (isEvent(key)) this.onWrite();
    this.#check('set', key);
    return super.set(key, value);
  }

  override delete(key: string): boolean {
    this.#check('delete', key);
    return super.delete(key);
  }

  /** The keys of the stored events. */
  get events(): readonly string[] {
    return [...this.keys()].filter(isEvent);
  }

  /** The keys of the stored subscriptions. */
  get subscriptions(): readonly string[] {
    return [...this.keys()].filter((key) => key.includes(':subscription:'));
  }

  #check(operation: Operation, key: string): void {
    if (isEvent(key)) this.onAccess();
    const isFaulty = isEvent(key) && this.faults.has(operation);
    if (isFaulty || this.fails(operation, key)) throw this.failure(operation);
  }
}

function isEvent(key: string): boolean {
  return key.includes(':event:');
}
