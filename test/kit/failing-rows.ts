type Operation = 'get' | 'set' | 'delete';

/** Rows in memory that cannot be read or written where they are told so: what a Keyv may lie on. */
export class FailingRows extends Map<string, unknown> {
  /** Whether an operation on a row fails. */
  fails: (operation: Operation, key: string) => boolean = () => false;

  override get(key: string): unknown {
    this.#fail('get', key);
    return super.get(key);
  }

  override set(key: string, value: unknown): this {
    this.#fail('set', key);
    return super.set(key, value);
  }

  override delete(key: string): boolean {
    this.#fail('delete', key);
    return super.delete(key);
  }

  /** The keys of the stored subscriptions. */
  get subscriptions(): readonly string[] {
    return [...this.keys()].filter((key) => key.includes(':subscription:'));
  }

  #fail(operation: Operation, key: string): void {
    if (this.fails(operation, key)) throw new Error(`out of order: ${operation}`);
  }
}
