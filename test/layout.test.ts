import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../src/', import.meta.url));

/** Layers from top to bottom. A folder imports from itself and from the layers after it. */
const LAYERS = [
  'decorators',
  'cli',
  'admin',
  'testing',
  'runtime',
  'reconcile',
  'http',
  'delivery',
  'subscription',
  'hub',
  'engine',
  'store',
  'feed',
  'protocol',
];

/** Top-level files: the public surface above all layers, and the files every layer can use. */
const TOP = new Set(['index.ts']);
const BASE = new Set([
  'errors.ts',
  'hooks.ts',
  'log-definition.ts',
  'log-events.ts',
  'logger.ts',
  'on-demand.ts',
  'version.ts',
]);

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .map((file) => file.split(sep).join('/'))
  .filter((file) => file.endsWith('.ts'));

const rank = (file: string): number => {
  if (TOP.has(file)) return -1;
  if (BASE.has(file)) return LAYERS.length;
  return LAYERS.indexOf(file.split('/')[0] ?? '');
};

const imports = new Map(
  files.map((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const specifiers = text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)\.js'/g);
    return [file, [...specifiers].map(([, path = '']) => posix.normalize(posix.join(dirname(file), `${path}.ts`)))];
  }),
);

/** Imported and re-exported files, including type imports. */
const importsOf = (file: string): readonly string[] => imports.get(file) ?? [];

/** The shortest import path from a file back to itself; undefined if there is none. */
const cycleOf = (file: string): readonly string[] | undefined => {
  const cameFrom = new Map<string, string>();
  const queue = [file];
  for (let current = queue.shift(); current !== undefined; current = queue.shift()) {
    for (const target of importsOf(current)) {
      if (cameFrom.has(target)) continue;
      cameFrom.set(target, current);
      queue.push(target);
    }
    if (cameFrom.has(file)) break;
  }
  if (!cameFrom.has(file)) return undefined;
  const cycle = [file];
  for (let step = cameFrom.get(file); step !== undefined; step = cameFrom.get(step)) {
    cycle.unshift(step);
    if (step === file) break;
  }
  return cycle;
};

describe('the layout of src', () => {
  it('has only the known layers and top-level files', () => {
    const unknownFiles = files.filter((file) => {
      const [top = ''] = file.split('/');
      return file.includes('/') ? !LAYERS.includes(top) : !TOP.has(top) && !BASE.has(top);
    });
    expect(unknownFiles).toEqual([]);
  });

  it('imports only from lower layers', () => {
    const upwardImports = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => rank(target) < rank(file) || rank(target) === -1)
        .map((target) => `${file} imports ${target}`),
    );
    expect(upwardImports).toEqual([]);
  });

  it('has no import cycle, including type imports', () => {
    const cycles = files.map(cycleOf).filter((cycle) => cycle !== undefined);
    expect(cycles.map((cycle) => cycle.join(' imports '))).toEqual([]);
  });

  it('has imports, and each of them leads to one of its files', () => {
    expect(importsOf('index.ts').length).toBeGreaterThan(20);
    expect(files.filter((file) => importsOf(file).some((target) => !files.includes(target)))).toEqual([]);
  });

  it('does not load at startup the packages that load on demand', () => {
    const onDemand = readFileSync(join(root, 'on-demand.ts'), 'utf8');
    const names = [...onDemand.matchAll(/^import type .* from '([^']+)'/gm)].map(([, name = '']) => name);
    expect(names).toContain('undici');
    const loadingFiles = files
      .filter((file) => !file.startsWith('testing/'))
      .filter((file) => {
        const text = readFileSync(join(root, file), 'utf8');
        const statements = text.matchAll(/^(?:import|export) (?!type\b)[^;]*?(?:from )?'([^']+)';/gm);
        return [...statements].some(([, name = '']) => names.includes(name) || name === 'reflect-metadata');
      });
    expect(loadingFiles).toEqual([]);
  });

  it('keeps the protocol free of clock, network, files, timers and logger', () => {
    const impureFiles = files
      .filter((file) => file.startsWith('protocol/'))
      .filter((file) => {
        // `isIPv4` is pure: it only parses the host.
        const text = readFileSync(join(root, file), 'utf8').replace("import { isIPv4 } from 'node:net';", '');
        return /node:(fs|net|http|https|dns|timers|tls)|Date\.now|new Date\(\)|Math\.random|setTimeout|logger/.test(
          text,
        );
      });
    expect(impureFiles).toEqual([]);
  });

  it('has no file over 300 lines', () => {
    const longFiles = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 301);
    expect(longFiles).toEqual([]);
  });

  it('does not reference test data', () => {
    const referencingFiles = files.filter((file) => /shared\/|corpus/.test(readFileSync(join(root, file), 'utf8')));
    expect(referencingFiles.map((file) => relative(root, join(root, file)))).toEqual([]);
  });
});
