import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin, type RolldownOptions } from 'rolldown';
import manifest from '../package.json' with { type: 'json' };
import { BUILT_IN } from '../src/on-demand.js';

const names = Object.keys(BUILT_IN);

/** Builds the built-in packages: exports only the used names, and collects the licenses of all bundled packages. */
const builtIn: Plugin = {
  name: 'built-in packages',
  resolveId: (id) => (id.startsWith('used:') ? `\0${id}` : undefined),
  load(id) {
    const match = Object.entries(BUILT_IN).find(([name]) => id === `\0used:${name}`);
    return match && `export { ${match[1].join(', ')} } from '${match[0]}';`;
  },
  generateBundle(_options, bundle) {
    const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
    const folders = new Set(modules.flatMap((id) => packageOf(id) ?? []));
    const source = [...folders].map(licenseOf).toSorted().join('\n\n');
    this.emitFile({ type: 'asset', fileName: 'packages/LICENSES.txt', source: `${source}\n` });
  },
};

/** Returns the folder of the package a module belongs to; undefined for our own modules. */
function packageOf(id: string): string | undefined {
  if (!id.includes('/node_modules/')) return undefined;
  let folder = dirname(id);
  // Some packages contain a package.json without a name in a subfolder.
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

/** Inlines the used parts of packages into the worker's file. */
const inlinedPackages: Plugin = {
  name: 'inlined packages',
  resolveId: (id) => (id.endsWith('/on-demand.js') ? '\0inlined packages' : undefined),
  load(id) {
    if (id !== '\0inlined packages') return undefined;
    const imports = Object.entries(BUILT_IN).map(([name, used]) => `import { ${used.join(', ')} } from '${name}';`);
    const packages = Object.entries(BUILT_IN).map(([name, used]) => `${name}: { ${used.join(', ')} }`);
    return `${imports.join('\n')}\nexport const onDemand = (name) => ({ ${packages.join(', ')} })[name];`;
  },
};

/** The worker that parses feeds: a script of one file with no other files to load. */
export const threadBundle = {
  input: fileURLToPath(new URL('../src/feed/parse/parse-worker.ts', import.meta.url)),
  platform: options.platform,
  transform: options.transform,
  plugins: [inlinedPackages],
  output: { format: 'cjs', entryFileNames: 'parse-worker.cjs' },
} satisfies RolldownOptions;

/**
 * Bundles each entry of `exports` and each built-in package into one file. Loading two hundred files takes longer than
 * loading their code.
 */
export default defineConfig([
  {
    ...options,
    input: {
      index: 'src/index.ts',
      'testing/index': 'src/testing/index.ts',
    },
    output: { dir: 'dist', cleanDir: true, chunkFileNames: '[name].js' },
  },
  // CommonJS, because these files are loaded with `require`; Jest cannot require ES modules before Node.js 24.9.
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
