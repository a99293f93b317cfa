import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const fileNames = await readdir(here('.'));
const invalidFiles = fileNames.filter((name) => name.endsWith('.invalid.ts'));
const validFiles = fileNames.filter((name) => /(?:^|\.)valid\.ts$/.test(name));

/** Compiles this folder. Returns the error codes of each file. */
async function compile(project: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const compiler = here('../../node_modules/typescript/bin/tsc');
  const outcome = promisify(execFile)(process.execPath, [compiler, '-p', here(project), '--pretty', 'false']);
  const output = await outcome.then(
    ({ stdout }) => stdout,
    (error: { readonly stdout: string }) => error.stdout,
  );
  const codes = new Map<string, string[]>();
  for (const [, path = '', code = ''] of output.matchAll(/^([^\s(][^(]*)\(\d+,\d+\): error (TS\d+)/gm)) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (path === `test/types/${name}` || path === name) codes.set(name, [...(codes.get(name) ?? []), code]);
  }
  return codes;
}

describe.each(['experimental', 'standard'])('with %s decorators', (setting) => {
  let errors: ReadonlyMap<string, readonly string[]>;

  beforeAll(async () => {
    errors = await compile(`tsconfig.${setting}.json`);
  }, 60_000);

  it.each(validFiles)('%s compiles', (name) => {
    expect(errors.get(name)).toBeUndefined();
  });

  it.each(invalidFiles)('%s fails to compile with exactly its expected error', async (name) => {
    const [, expected] = /^\/\/ Fails with (TS\d+)\.$/m.exec(await readFile(here(name), 'utf8')) ?? [];
    expect(errors.get(name)).toEqual([expected]);
  });
});
