import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand, tryCommand } from './command.js';
import { drive } from './drive.js';

export const PACKAGES = ['esbuild'];

const ESBUILD = 'node_modules/.bin/esbuild';
const ADVICE = 'exclude websub-subscriber from the bundle';

/** Bundles with esbuild, with the package external and with it bundled. The programs are in the project already. */
export function bundlerCases(project) {
  const esbuild = ['programs/own-listener.js', '--bundle', '--platform=node'];
  const build = (outfile, options) => [...esbuild, '--format=esm', `--outfile=${outfile}`, ...options];
  const run = (file, options) => drive({ args: [file], cwd: project, prints: 'raw', home: null, ...options });
  return [
    ...['--external:websub-subscriber', '--packages=external'].map((option, index) => ({
      name: `esbuild ${option}`,
      async run() {
        const file = `out/external-${index}.mjs`;
        await runCommand(ESBUILD, build(file, [option]), { cwd: project });
        await run(file);
      },
    })),
    {
      name: 'esbuild, minified, with the package in the bundle and no store package installed: events arrive, feeds are not parsed, and the log says what to do',
      async run() {
        const file = 'out/bundled.mjs';
        await runCommand(ESBUILD, build(file, ['--minify']), { cwd: project });
        await run(file, { also: ({ program }) => program.printed(ADVICE) });
      },
    },
    {
      name: 'esbuild, with the package in the bundle and no node_modules: it does not start, and says what to do',
      async run() {
        const file = 'out/alone.mjs';
        await runCommand(ESBUILD, build(file, []), { cwd: project });
        const alone = join(project, '..', 'alone');
        await cp(join(project, file), join(alone, 'alone.mjs'));
        const { code, output } = await tryCommand(process.execPath, ['alone.mjs'], { cwd: alone });
        assert.equal(code, 1);
        assert.match(output, new RegExp(ADVICE));
      },
    },
  ];
}
