import { createRequire } from 'node:module';
import { onTestFinished } from 'vitest';

interface Guard {
  readonly stubs: Map<string, readonly string[]>;
}

const { stubs }: Guard = createRequire(import.meta.url)('./loopback-only.cjs');

/**
 * Stubs the look-ups of a host name by node:dns until the end of the test.
 *
 * @param addresses the results; without any the name does not resolve
 */
export function stubName(name: string, ...addresses: readonly string[]): void {
  stubs.set(name, addresses);
  onTestFinished(() => void stubs.delete(name));
}
