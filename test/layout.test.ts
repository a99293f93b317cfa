import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../src/', import.meta.url));

/** From the top down: a folder imports from those after it, and from itself. */
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

/** At the top level: the public surface above all folders, and what all of them may use. */
const TOP = new Set(['index.ts']);
const GROUND = new Set(['errors.ts', 'hooks.ts', 'logger.ts', 'on-demand.ts', 'version.ts']);

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .map((file) => file.split(sep).join('/'))
  .filter((file) => file.endsWith('.ts'));

const rank = (file: string): number => {
  if (TOP.has(file)) return -1;
  if (GROUND.has(file)) return LAYERS.length;
  return LAYERS.indexOf(file.split('/')[0] ?? '');
};

const imports = new Map(
  files.map((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)\.js'/g);
    return [file, [...found].map(([, path = '']) => posix.normalize(posix.join(dirname(file), `${path}.ts`)))];
  }),
);

/** Files imported or exported from, type imports included. */
const importsOf = (file: string): readonly string[] => imports.get(file) ?? [];

/** The shortest way along imports from a file back to itself; undefined where there is none. */
const circleOf = (file: string): readonly string[] | undefined => {
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
  const circle = [file];
  for (let step = cameFrom.get(file); step !== undefined; step = cameFrom.get(step)) {
    circle.unshift(step);
    if (step === file) break;
  }
  return circle;
};

describe('the layout of src', () => {
  it('has no folder and no file that DESIGN does not name', () => {
    const strangers = files.filter((file) => {
      const [top = ''] = file.split('/');
      return file.includes('/') ? !LAYERS.includes(top) : !TOP.has(top) && !GROUND.has(top);
    });
    expect(strangers).toEqual([]);
  });

  it('has arrows that point down only', () => {
    const upward = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => rank(target) < rank(file) || rank(target) === -1)
        .map((target) => `${file} imports ${target}`),
    );
    expect(upward).toEqual([]);
  });

  it('has no import circle, type imports included', () => {
    const circles = files.map(circleOf).filter((circle) => circle !== undefined);
    expect(circles.map((circle) => circle.join(' imports '))).toEqual([]);
  });

  it('sees the imports it judges', () => {
    expect(importsOf('index.ts').length).toBeGreaterThan(20);
    expect(files.filter((file) => importsOf(file).some((target) => !files.includes(target)))).toEqual([]);
  });

  it('loads no package at the start that it loads on demand', () => {
    const onDemand = readFileSync(join(root, 'on-demand.ts'), 'utf8');
    const names = [...onDemand.matchAll(/^import type .* from '([^']+)'/gm)].map(([, name = '']) => name);
    expect(names).toContain('undici');
    const loading = files
      .filter((file) => !file.startsWith('testing/'))
      .filter((file) => {
        const text = readFileSync(join(root, file), 'utf8');
        const statements = text.matchAll(/^(?:import|export) (?!type\b)[^;]*?(?:from )?'([^']+)';/gm);
        return [...statements].some(([, name = '']) => names.includes(name) || name === 'reflect-metadata');
      });
    expect(loading).toEqual([]);
  });

  it('keeps the protocol pure: no clock, network, file, timer or logger in it', () => {
    const impure = files
      .filter((file) => file.startsWith('protocol/'))
      .filter((file) => {
        // Whether a host is an IP address is arithmetic.
        const text = readFileSync(join(root, file), 'utf8').replace("import { isIPv4 } from 'node:net';", '');
        return /node:(fs|net|http|https|dns|timers|tls)|Date\.now|new Date\(\)|Math\.random|setTimeout|logger/.test(
          text,
        );
      });
    expect(impure).toEqual([]);
  });

  it('has no file over 300 lines', () => {
    const long = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 301);
    expect(long).toEqual([]);
  });

  it('knows nothing of test data', () => {
    const knowing = files.filter((file) => /shared\/|corpus/.test(readFileSync(join(root, file), 'utf8')));
    expect(knowing.map((file) => relative(root, join(root, file)))).toEqual([]);
  });
});
