import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/**
 * Creates a directory and removes it after the test.
 *
 * @param cleanUp registers the removal. Pass `afterAll` for a directory of a whole file or suite, but not inside
 *   `beforeAll`: Vitest ignores an `afterAll` that is registered in a hook.
 * @returns its path
 */
export function temporaryDirectory(cleanUp: (remove: () => void) => unknown = onTestFinished): string {
  const directory = mkdtempSync(join(tmpdir(), 'websub-test-'));
  cleanUp(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
