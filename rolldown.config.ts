import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin, type RolldownOptions } from 'rolldown';
import manifest from './package.json' with { type: 'json' };
import { BUILT_IN } from './src/on-demand.js';

const names = Object.keys(BUILT_IN);

/** The packages that are built in: of each, what is used of it, and the licenses of all that comes along. */
const builtIn: Plugin = {
  name: 'built-in packages',
  resolveId: (id) => (id.startsWith('used:') ? `\0${id}` : undefined),
  load(id) {
    const found = Object.entries(BUILT_IN).find(([name]) => id === `\0used:${name}`);
    return found && `export { ${found[1].join(', ')} } from '${found[0]}';`;
  },
  generateBundle(_options, bundle) {
    const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
    const folders = new Set(modules.flatMap((id) => packageOf(id) ?? []));
    const source = [...folders].map(licenseOf).toSorted().join('\n\n');
    this.emitFile({ type: 'asset', fileName: 'packages/LICENSES.txt', source: `${source}\n` });
  },
};

/** The folder of the package that a module belongs to; undefined for our own. */
function packageOf(id: string): string | undefined {
  if (!id.includes('/node_modules/')) return undefined;
  let folder = dirname(id);
  // Some packages have a package.json without a name in folders of theirs.
  while (!existsSync(join(folder, 'package.json')) || read(folder).name === undefined) folder = dirname(folder);
  return folder;
}

function licenseOf(folder: string): string {
  const { name, version, license } = read(folder);
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  const text = file === undefined ? '' : `\n\n${readFileSync(join(folder, file), 'utf8').trim()}`;
  return `${name} ${version} (${license})${text}`;
}

function read(folder: string): Readonly<Record<'name' | 'version' | 'license', string | undefined>> {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

const options = {
  platform: 'node',
  transform: { target: 'node20.19' },
  external: [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)].filter(
    (name) => !names.includes(name),
  ),
} satisfies RolldownOptions;

/** In the file of a thread, packages are what is used of them, in the file itself. */
const within: Plugin = {
  name: 'packages within',
  resolveId: (id) => (id.endsWith('/on-demand.js') ? '\0packages within' : undefined),
  load(id) {
    if (id !== '\0packages within') return undefined;
    const imports = Object.entries(BUILT_IN).map(([name, used]) => `import { ${used.join(', ')} } from '${name}';`);
    const packages = Object.entries(BUILT_IN).map(([name, used]) => `${name}: { ${used.join(', ')} }`);
    return `${imports.join('\n')}\nexport const onDemand = (name) => ({ ${packages.join(', ')} })[name];`;
  },
};

/** What a thread that parses runs: a script of one file, which needs no other. */
export const threadBundle = {
  input: fileURLToPath(new URL('src/feed/parse/parse-worker.ts', import.meta.url)),
  platform: options.platform,
  transform: options.transform,
  plugins: [within],
  output: { format: 'cjs', entryFileNames: 'parse-worker.cjs' },
} satisfies RolldownOptions;

/** Each entry of `exports` as one file: two hundred take longer to load than the code in them. So do packages of many files. */
export default defineConfig([
  {
    ...options,
    input: {
      index: 'src/index.ts',
      'testing/index': 'src/testing/index.ts',
    },
    output: { dir: 'dist', cleanDir: true, chunkFileNames: '[name].js' },
  },
  // As CommonJS: they are required, and Jest requires no ES modules before Node.js 24.9.
  {
    ...options,
    input: Object.fromEntries(names.map((name) => [name, `used:${name}`])),
    plugins: [builtIn],
    output: {
      dir: 'dist',
      format: 'cjs',
      entryFileNames: 'packages/[name].cjs',
      chunkFileNames: 'packages/[name].cjs',
    },
  },
  { ...threadBundle, output: { ...threadBundle.output, dir: 'dist' } },
]);
