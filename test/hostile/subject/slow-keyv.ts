import { setTimeout as pause } from 'node:timers/promises';
import { Keyv } from 'keyv';

/** A Keyv whose writes take time, as on a disk. */
export class SlowKeyv extends Keyv {
  writeMs = 0;

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as in Keyv
  override async set<Value>(key: string, value: Value, ttl?: number): Promise<boolean> {
    if (this.writeMs > 0) await pause(this.writeMs);
    return super.set(key, value, ttl);
  }
}
