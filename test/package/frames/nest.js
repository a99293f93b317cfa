import assert from 'node:assert/strict';
import { copyFile, cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drive } from './drive.js';
import { writeFiles } from './project.js';
import { compile } from './typescript.js';

const MAIN = fileURLToPath(new URL('nest/main.ts', import.meta.url));
const EXAMPLE = 'node_modules/websub-subscriber/examples/nest';

/** Packages an application needs with a major version of Nest. */
export const nestPackages = (major) => [
  ...['core', 'common', 'platform-express', 'platform-fastify'].map((name) => `@nestjs/${name}@${major}`),
  'rxjs@7',
  'tsx@4',
];

/**
 * Runs the example's provider in an application with a global prefix and a guard, compiled with tsc.
 *
 * @param type `type` of the application's package.json: Nest's own template is CommonJS up to version 11
 */
export async function nestCases(project, { major, type }) {
  const app = join(project, 'app');
  await writeFiles(app, { 'package.json': { private: true, type } });
  await cp(join(project, EXAMPLE, 'feed-reader.ts'), join(app, 'src/feed-reader.ts'));
  await copyFile(MAIN, join(app, 'src/main.ts'));
  const options = { target: 'es2022', experimentalDecorators: true, emitDecoratorMetadata: true };
  await compile(app, { ...options, rootDir: 'src', outDir: 'dist' }, ['src/main.ts']);
  const compiledCases = ['express', 'fastify'].map((platform) => ({
    name: `nest ${major} on ${platform}: the example's provider, ${type}, global prefix and guard`,
    run: () =>
      drive({
        args: ['dist/main.js'],
        cwd: app,
        env: { PLATFORM: platform },
        home: '/api/health',
        echo: '/api/orders',
        also: guardRefuses,
      }),
  }));
  const args = ['--import', 'tsx', `${EXAMPLE}/main.ts`];
  const env = { TSX_TSCONFIG_PATH: `${EXAMPLE}/tsconfig.json` };
  const exampleCase = { name: `nest ${major}: the example`, run: () => drive({ args, cwd: project, env }) };
  return [...compiledCases, exampleCase];
}

async function guardRefuses({ origin }) {
  const refused = await fetch(`${origin}/api/secret`);
  assert.equal(refused.status, 403, 'the global guard refuses');
}
