import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.js';
import { writeFiles } from './project.js';

const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/** Compiles files of a project with this repository's compiler, in strict mode. */
export async function compile(project, options, files) {
  const compilerOptions = {
    strict: true,
    module: 'nodenext',
    types: ['node'],
    typeRoots: [join(modules, '@types')],
    skipLibCheck: true,
    ...options,
  };
  await writeFiles(project, { 'tsconfig.json': { compilerOptions, files } });
  await runCommand(process.execPath, [join(modules, 'typescript/bin/tsc'), '-p', project], { cwd: project });
}
