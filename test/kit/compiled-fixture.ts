import { afterAll } from 'vitest';
import { compileFixture } from './compile-fixture.js';

/**
 * A fixture compiled for those who start many processes with it ({@link compileFixture}).
 *
 * @param fixture relative to this folder
 * @returns its path, which lasts until the end of the file's tests
 */
export async function compiledFixture(fixture: string): Promise<string> {
  const { file, remove } = await compileFixture(fixture);
  afterAll(remove);
  return file;
}
