import { Keyv } from 'keyv';

/** A Keyv in memory that fails where it is told to, for the records of events alone. */
export class FaultyStore extends Map<string, unknown> {
  readonly keyv = new Keyv({ store: this });
  /** What fails. */
  faults: ReadonlySet<'get' | 'set' | 'delete'> = new Set();
  /** What it fails with. */
  failure = (operation: string): Error => new Error(`out of order: ${operation}`);
  /** Called before an event is written. */
  onWrite = (): void => {};
  /** Called before anything is written. */
  onAnyWrite = (): void => {};

  /** Called before an event is read, written or deleted. */
  onAccess = (): void => {};

  override get(key: string): unknown {
    this.#fail('get', key);
    return super.get(key);
  }

  override set(key: string, value: unknown): this {
    this.onAnyWrite();
    if (isEvent(key)) this.onWrite();
    this.#fail('set', key);
    return super.set(key, value);
  }

  override delete(key: string): boolean {
    this.#fail('delete', key);
    return super.delete(key);
  }

  /** The keys of the stored events. */
  get events(): readonly string[] {
    return [...this.keys()].filter(isEvent);
  }

  #fail(operation: 'get' | 'set' | 'delete', key: string): void {
    if (isEvent(key)) this.onAccess();
    if (this.faults.has(operation) && isEvent(key)) throw this.failure(operation);
  }
}

function isEvent(key: string): boolean {
  return key.includes(':event:');
}
