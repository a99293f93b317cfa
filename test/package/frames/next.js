import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.js';
import { drive } from './drive.js';

const NEXT = 'node_modules/next/dist/bin/next';

/** Packages the example needs. Next.js needs a TypeScript compiler with a JavaScript API, which version 7 lacks. */
export const PACKAGES = ['next@16', 'react@19', 'react-dom@19', 'typescript@5', '@types/react@19', '@types/node@20'];

/** The example as a separate application: built, started, and stopped in both ways. */
export async function nextCases(project) {
  await cp(join(project, 'node_modules/websub-subscriber/examples/next'), project, { recursive: true });
  await runCommand(process.execPath, [NEXT, 'build'], { cwd: project });
  const start = { args: [NEXT, 'start', '-H', '127.0.0.1'], cwd: project };
  return [
    {
      name: 'next: the example, with NEXT_MANUAL_SIG_HANDLE',
      run: () => drive({ ...start, env: { NEXT_MANUAL_SIG_HANDLE: 'true' } }),
    },
    {
      name: 'next: the example without NEXT_MANUAL_SIG_HANDLE, whose subscription stays at the hub',
      run: () => drive({ ...start, end: { code: 143, signal: null }, left: 'active' }),
    },
  ];
}
