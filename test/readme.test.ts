import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOOK_NAMES } from '../src/delivery/hook-payloads.js';
import { HANDLER_NAMES, HANDLERS } from '../src/delivery/handler/handlers.js';
import { checkServiceConfig } from '../src/runtime/config/check-config.js';
import { checkOptions } from '../src/runtime/config/check-options.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');
const snippets = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);

/** Everything below `src`, for interfaces to be looked up in. */
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => read(join('src', path)))
  .join('\n');

describe('the README', () => {
  it('begins with the quick start, letter by letter', () => {
    expect(snippets[0]).toBe(read('examples/quick-start.ts'));
  });

  it('names each hook, and no other', () => {
    const [, list = ''] = /^Hooks: (.*?)\.$/ms.exec(readme) ?? [];
    expect(codes(list)).toEqual(HOOK_NAMES);
  });

  it('names each handler, and no other', () => {
    expect(firstColumn('handler')).toEqual(HANDLER_NAMES);
  });

  it('names the handlers that are required, and no other', () => {
    const [, list = ''] = /^## Handlers\n\n(.*?) (?:is|are) required/ms.exec(readme) ?? [];
    expect(codes(list)).toEqual(HANDLER_NAMES.filter((name) => HANDLERS[name] === 'required'));
  });

  it('gives the argument of each handler', () => {
    const types = read('src/delivery/handler/handlers.ts').matchAll(/^ {2}readonly (\w+)\??: \(\s*\w+: (\w+)/gm);
    const inCode = [...types].map(([, name = '', type = '']) => [
      name,
      type === 'Runtime' ? 'SubscriberRuntime' : type,
    ]);
    expect(tableOf('handler').map((cells) => cells.slice(0, 2).flatMap(codes))).toEqual(inCode);
  });

  it('shows each threat with tests that are there', () => {
    const threats = tableOf('Who');
    expect(threats.length).toBeGreaterThan(15);
    for (const [who = '', what = '', stops = '', tests = ''] of threats) {
      expect([who, what, stops]).not.toContain('');
      expect(codes(tests).length).toBeGreaterThan(0);
      expect(
        codes(tests).filter((path) => !/^test\/.*\.test\.ts$/.test(path) || !existsSync(join(root, path))),
      ).toEqual([]);
    }
  });

  it('has no link that needs a repository: links lead to the web or to a heading', () => {
    const targets = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target);
    const headings = new Set([...readme.matchAll(/^##+ (.+)$/gm)].map(([, heading = '']) => `#${anchor(heading)}`));
    expect(targets.length).toBeGreaterThan(5);
    expect(targets.filter((target) => !target.startsWith('https://') && !headings.has(target))).toEqual([]);
  });

  it('names examples that the package ships', () => {
    const { files }: { files: readonly string[] } = JSON.parse(read('package.json'));
    expect(files).toContain('examples');
    const whole = [...readme.matchAll(/(?:node_modules\/websub-subscriber\/)?examples\/([\w./-]*\w)/g)];
    const named = [...whole.map(([, path = '']) => path), ...tableOf('Example').flatMap(([cell = '']) => codes(cell))];
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((path) => !existsSync(join(root, 'examples', path)))).toEqual([]);
    const shown = tableOf('In').flatMap(([, , cell = '']) => codes(cell));
    expect(shown.length).toBeGreaterThan(5);
    expect(shown.filter((path) => !existsSync(join(root, 'examples', path)))).toEqual([]);
  });
});

describe.each([
  ['SubscriberServiceConfig', checkServiceConfig('News', {})],
  ['DeliveryConfig', checkServiceConfig('News', {}).delivery],
  ['SignatureConfig', checkServiceConfig('News', {}).signature],
  ['StartOptions', checkOptions({}, {})],
  ['SecurityOptions', checkOptions({}, {}).security],
  ['HttpClientConfig', {}],
  ['DiscoveryConfig', {}],
  ['HubFaults', {}],
])('the table of %s', (name, defaults) => {
  it('names each field of the type, and no other', () => {
    expect(fieldsOf(name).length).toBeGreaterThan(0);
    expect(firstColumn(name)).toEqual(fieldsOf(name));
  });

  it('gives the defaults that the code has', () => {
    for (const [field = '', , told = ''] of tableOf(name)) {
      // The name is the class's, which is no value of the code.
      const known = Object.entries(defaults).find(([key]) => key !== 'name' && `\`${key}\`` === field);
      const value: unknown = known?.[1];
      const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
      if (!isPlain || value === Number.POSITIVE_INFINITY) continue;
      expect(`${field}: ${codes(told.replaceAll('_', ''))[0]}`).toBe(
        `${field}: ${typeof value === 'string' ? `'${value}'` : String(value)}`,
      );
    }
  });

  it('gives the defaults that the doc-comments have, where those are numbers', () => {
    for (const [field = '', , told = ''] of tableOf(name)) {
      const documented = defaultOf(name, field.replaceAll('`', ''));
      if (documented === undefined || !/^[\d_]+$/.test(documented)) continue;
      expect(`${field}: ${codes(told)[0]}`).toBe(`${field}: ${documented}`);
    }
  });
});

describe('each TypeScript snippet of the README', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'websub-readme-'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await mkdir(join(folder, 'snippets'));
    const files = snippets.map((code, index) => writeFile(join(folder, `snippets/${index + 1}.ts`), code));
    await Promise.all(files);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each([true, false])(
    'compiles with experimentalDecorators: %s',
    async (experimentalDecorators) => {
      const project = join(folder, `tsconfig.${experimentalDecorators}.json`);
      const config = {
        extends: join(root, 'tsconfig.json'),
        compilerOptions: { experimentalDecorators, emitDecoratorMetadata: experimentalDecorators },
        include: ['snippets/*.ts', join(root, 'test/fixtures/readme/*.d.ts')],
      };
      await writeFile(project, JSON.stringify(config));
      expect(await compile(project)).toBe('');
    },
    60_000,
  );

  it('would not compile with a mistake in it', async () => {
    await mkdir(join(folder, 'wrong'));
    await writeFile(join(folder, 'wrong/1.ts'), (snippets[0] ?? '').replace('target: FEED', 'targt: FEED'));
    const project = join(folder, 'tsconfig.wrong.json');
    await writeFile(project, JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['wrong/*.ts'] }));
    expect(await compile(project)).toMatch(/targt/);
  }, 60_000);
});

/** What the compiler complains of. */
function compile(project: string): Promise<string> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, '-p', project, '--pretty', 'false'], (error, stdout, stderr) => {
      resolve(error === null ? '' : stdout + stderr);
    });
  });
}

/** The rows of the table whose first column is headed by a name. */
function tableOf(heading: string): string[][] {
  const [, rows = ''] =
    new RegExp(`^\\| +\`?${heading}\`? +\\|.*\\n\\|[-:| ]+\\n((?:\\|.*\\n)+)`, 'm').exec(readme) ?? [];
  const lines = rows.split('\n').filter((line) => line !== '');
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

function firstColumn(heading: string): string[] {
  return tableOf(heading).map(([cell = '']) => cell.replaceAll('`', ''));
}

/** The fragment that leads to a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}

/** What stands between backticks. */
function codes(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

function interfaceText(name: string): string {
  const [, body = ''] = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(sources) ?? [];
  return body;
}

/** An interface's own fields, in the order of the source. */
function fieldsOf(name: string): string[] {
  return [...interfaceText(name).matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field = '']) => field);
}

function defaultOf(name: string, field: string): string | undefined {
  const body = interfaceText(name);
  const before = body.slice(0, Math.max(0, body.search(new RegExp(`^ {2}readonly ${field}\\??:`, 'm'))));
  const comment = before.slice(before.lastIndexOf('/**'));
  return /@default ([^\s*]+)/.exec(comment)?.[1];
}
