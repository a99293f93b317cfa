// Installs the packed package into an empty project, as a user would, and uses it there.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'websub-subscriber-'));
const run = (command, args, cwd) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

try {
  const [packed] = JSON.parse(run('npm', ['pack', '--silent', '--json', '--pack-destination', project], root));
  const unexpectedFiles = packed.files
    .map(({ path }) => path)
    .filter(
      (path) =>
        !/^(dist\/.*\.(js|d\.ts)|dist\/parse-worker\.cjs|dist\/packages\/\w+\.cjs|dist\/packages\/LICENSES\.txt|examples\/.*\.(tsx?|mjs|json)|package\.json|README\.md|LICENSE)$/.test(
          path,
        ),
    );
  if (unexpectedFiles.length > 0)
    throw new Error(`The package holds what it should not: ${unexpectedFiles.join(', ')}`);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', join(project, packed.filename)], project);
  writeFileSync(
    join(project, 'use.js'),
    `
import { defineSubscriber, startService } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
const hub = await TestHub.start();
const topic = hub.topic('/feed', { discovery: 'link-header', body: 'old' });
const received = [];
// This many entries are parsed in a worker thread.
const entries = Array.from({ length: 2_000 }, (_, id) => '<entry><id>' + id + '</id></entry>').join('');
const service = defineSubscriber(
  { target: topic.url },
  {
    async onEventNotification(event) {
      const { length } = await event.entries();
      received.push(length > 0 ? length : event.text());
    },
  },
);
const runtime = await startService(service, { port: 0, logger: false });
await runtime.ready();
await topic.publish('new');
await topic.publish('<feed xmlns="http://www.w3.org/2005/Atom">' + entries + '</feed>');
await runtime.stop();
await hub.close();
console.log(JSON.stringify(received));
`,
  );
  const source = readFileSync(join(project, 'use.js'), 'utf8');
  const imports = /^import (.*) from (.*);$/gm;
  // A CommonJS program requires the same files.
  writeFileSync(join(project, 'use.cjs'), `(async () => {${source.replace(imports, 'const $1 = require($2);')}})();`);
  for (const file of ['use.js', 'use.cjs']) {
    rmSync(join(project, '.websub'), { recursive: true, force: true });
    const received = run(process.execPath, ['--no-warnings', file], project).trim();
    if (received !== '["new",2000]') throw new Error(`The installed package received ${received} in ${file}`);
  }
  // The strictest settings of a new TypeScript project. Options taken from the environment must compile.
  writeFileSync(
    join(project, 'use.ts'),
    `
import { defineSubscriber, startService, type SubscriberRuntime, type SubscriberServiceConfig } from 'websub-subscriber';
const service = defineSubscriber(
  { target: 'https://example.com/feed', secret: process.env['SECRET'], delivery: { ackAfterMs: undefined } },
  { onEventNotification: (event) => console.log(event.text()) },
);
// A target taken from the environment must be checked first: undefined is an error.
// @ts-expect-error
export const unset: SubscriberServiceConfig = { target: process.env['FEED'] };
export const started: Promise<SubscriberRuntime> = startService(service, { publicUrl: process.env['URL'], port: undefined });
`,
  );
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: 'nodenext',
    target: 'es2022',
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    skipLibCheck: true,
    noEmit: true,
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }));
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], project);
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  console.log(`${name} ${version}: ${packed.files.length} files, ${packed.size} bytes packed; installed and used`);
} finally {
  rmSync(project, { recursive: true, force: true });
}
