import { afterAll } from 'vitest';
import { compileFixture } from './compile-fixture.js';

/**
 * Compiles a fixture and removes it at the end of the file's tests.
 *
 * @param fixture relative to `test`
 * @returns its path
 */
export async function compiledFixture(fixture: string): Promise<string> {
  const { file, remove } = await compileFixture(fixture);
  afterAll(remove);
  return file;
}
