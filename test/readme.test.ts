import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOOK_NAMES } from '../src/delivery/hook-payloads.js';
import { LOG_EVENTS } from '../src/log-events.js';
import { FAILURE_CAUSES } from '../src/subscription/record/snapshot.js';
import { HANDLER_NAMES, HANDLERS } from '../src/delivery/handler/handlers.js';
import { checkServiceConfig } from '../src/runtime/config/check-config.js';
import { checkOptions } from '../src/runtime/config/check-options.js';
import { temporaryDirectory } from './kit/temporary-directory.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');
const snippets = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);

/** The code blocks that name a file of `examples/` after the language. */
const shownExamples = [...readme.matchAll(/^```\w+ (examples\/\S+)\n(.*?)^```$/gms)].map(
  ([, file = '', code = '']) => ({
    file,
    code,
  }),
);

/** The headings below the title, without comments in code blocks. */
const headings = [...readme.replaceAll(/^```.*?^```$/gms, '').matchAll(/^(##+) (.+)$/gm)].map(
  ([, marks = '', text = '']) => ({ level: marks.length, text }),
);

/** The text of all files below `src`, to look up interfaces in. */
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => read(join('src', path)))
  .join('\n');

describe('the README', () => {
  it('lists its parts in the contents, in order, and each has an anchor of its own', () => {
    const [, contents = ''] = /^## Contents\n(.*?)^## /ms.exec(readme) ?? [];
    const parts = headings.filter(({ level, text }) => level <= 3 && text !== 'Contents');
    expect([...contents.matchAll(/^ *- \[(.+)\]\((#.+)\)$/gm)].map(([, text, target]) => [text, target])).toEqual(
      parts.map(({ text }) => [text, `#${anchor(text)}`]),
    );
    const anchors = headings.map(({ text }) => anchor(text));
    expect(anchors.filter((one, index) => anchors.indexOf(one) !== index)).toEqual([]);
  });

  it('shows examples character by character', () => {
    expect(shownExamples.length).toBeGreaterThan(20);
    expect(shownExamples[0]?.file).toBe('examples/quick-start.ts');
    for (const { file, code } of shownExamples) expect([file, code]).toEqual([file, read(file)]);
  });

  it('shows only examples in its guides, and all examples that are no part of the demo', () => {
    const [, guides = ''] = /^## Guides\n(.*?)^## /ms.exec(readme) ?? [];
    expect([...guides.matchAll(/^```(?:ts|js|tsx)\n/gm)]).toEqual([]);
    const files = readdirSync(join(root, 'examples'), { encoding: 'utf8' }).filter((file) =>
      /\.m?ts$|\.mjs$/.test(file),
    );
    const shown = new Set(shownExamples.map(({ file }) => file.replace('examples/', '')));
    expect(files.filter((file) => !shown.has(file))).toEqual(['demo.ts']);
  });

  it('shows only examples that a test runs', () => {
    const testsBelow = (folder: string, isSelected: (file: string) => boolean): string =>
      readdirSync(join(root, folder), { encoding: 'utf8' })
        .filter(isSelected)
        .map((file) => read(join(folder, file)))
        .join('\n');
    const runners = [
      testsBelow('test/e2e/process', (file) => file.startsWith('examples-')),
      testsBelow('test/package/frames', (file) => file.endsWith('.js')),
    ].join('\n');
    const isRun = (name: string): boolean => {
      const file = `${name.replaceAll('.', String.raw`\.`)}(?:\\.m?[tj]s)?`;
      return new RegExp(
        `(?:[eE]xample|applicationWithNgrok|jest)\\((?:project, )?\\s*['"]${file}['"]|it\\.each\\(\\[[^\\]]*'${file}'|examples/${file}['"]`,
      ).test(runners);
    };
    const names = new Set(shownExamples.map(({ file }) => file.replace('examples/', '').replace(/\/.*|\.m?ts$/, '')));
    expect([...names].filter((name) => !isRun(name))).toEqual([]);
  });

  it('explains each hook and no other', () => {
    expect(firstColumn('hook')).toEqual(HOOK_NAMES);
  });

  it('explains each log event with its level', () => {
    const rows = tableOf('event').map(([name = '', level, meaning = '']) => [codes(name)[0], level, meaning !== '']);
    expect(rows).toEqual(Object.entries(LOG_EVENTS).map(([name, { level }]) => [name, level, true]));
  });

  it.each([
    ['WebSubErrorCode', 'Errors'],
    ['DiscoveryFailure', 'Reasons of a failed discovery'],
    ['InitiationFailure', 'Reasons of a failed request'],
  ])('gives cause and cure of each %s', (type, heading) => {
    const [, union = ''] = new RegExp(`^export type ${type} =\\n(.*?);\\n\\n`, 'ms').exec(read('src/errors.ts')) ?? [];
    const members = [...union.matchAll(/^ {2}\| '([^']+)'/gm)].map(([, member]) => member);
    expect(members.length).toBeGreaterThan(3);
    const rows = tableBelow(heading);
    expect(rows.map(([cell = '']) => codes(cell)[0])).toEqual(members);
    expect(rows.flatMap((cells) => cells.filter((cell) => cell === ''))).toEqual([]);
  });

  it('gives cause and cure of each cause of lastError', () => {
    const rows = tableBelow('Causes of a failure');
    expect(rows.map(([cell = '']) => codes(cell)[0])).toEqual([...FAILURE_CAUSES]);
    expect(rows.flatMap((cells) => cells.filter((cell) => cell === ''))).toEqual([]);
  });

  it('names the class of each error code', () => {
    const errors = tableBelow('Errors').map(([code = '', name = '']) => [...codes(code), ...codes(name)]);
    const classes = [
      ...sources.matchAll(/^export class (\w+) extends (?:WebSub|HubMessage)Error \{.*?code = '(ERR_\w+)'/gms),
    ];
    const expectedRows = classes.map(([, name, code]) => [code, name]);
    expect(expectedRows).toHaveLength(errors.length - 1);
    expect(errors).toEqual(expect.arrayContaining([['ERR_WEBSUB', 'WebSubError'], ...expectedRows]));
  });

  it('names each handler and no other', () => {
    expect(firstColumn('handler')).toEqual(HANDLER_NAMES);
  });

  it('names the required handlers and no other', () => {
    const [, list = ''] = /^### Handlers\n\n(.*?) (?:is|are) required/ms.exec(readme) ?? [];
    expect(codes(list)).toEqual(HANDLER_NAMES.filter((name) => HANDLERS[name] === 'required'));
  });

  it('states the argument type of each handler', () => {
    const types = read('src/delivery/handler/handlers.ts').matchAll(/^ {2}readonly (\w+)\??: \(\s*\w+: (\w+)/gm);
    const expectedRows = [...types].map(([, name = '', type = '']) => [
      name,
      type === 'Runtime' ? 'SubscriberRuntime' : type,
    ]);
    expect(tableOf('handler').map((cells) => cells.slice(0, 2).flatMap(codes))).toEqual(expectedRows);
  });

  it('names existing tests for each threat', () => {
    const threats = tableOf('Who');
    expect(threats.length).toBeGreaterThan(15);
    for (const [who = '', reach = '', stops = '', tests = ''] of threats) {
      expect([who, reach, stops]).not.toContain('');
      expect(codes(tests).length).toBeGreaterThan(0);
      expect(
        codes(tests).filter((path) => !/^test\/.*\.test\.ts$/.test(path) || !existsSync(join(root, path))),
      ).toEqual([]);
    }
  });

  it('links only to the web or to its own headings, not to a repository', () => {
    const targets = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target);
    const anchors = new Set(headings.map(({ text }) => `#${anchor(text)}`));
    expect(targets.length).toBeGreaterThan(5);
    expect(targets.filter((target) => !target.startsWith('https://') && !anchors.has(target))).toEqual([]);
  });

  it('names only examples that the package ships', () => {
    const { files }: { files: readonly string[] } = JSON.parse(read('package.json'));
    expect(files).toContain('examples');
    const mentions = [...readme.matchAll(/\bexamples\/([\w./[\]-]*\w)/g)].map(([, path = '']) => path);
    expect(mentions.length).toBeGreaterThan(10);
    expect(mentions.filter((path) => !existsSync(join(root, 'examples', path)))).toEqual([]);
  });
});

describe('the table of', () => {
  it.each([
    'SubscriberServiceConfig',
    'DeliveryConfig',
    'SignatureConfig',
    'StartOptions',
    'SecurityOptions',
    'HttpClientConfig',
    'DiscoveryConfig',
    'HubFaults',
  ])('%s names each field of the type and no other', (name) => {
    expect(fieldsOf(name).length).toBeGreaterThan(0);
    expect(firstColumn(name)).toEqual(fieldsOf(name));
  });

  it.each([
    ['SubscriberServiceConfig', checkServiceConfig('News', {})],
    ['DeliveryConfig', checkServiceConfig('News', {}).delivery],
    ['SignatureConfig', checkServiceConfig('News', {}).signature],
    ['StartOptions', checkOptions({}, {})],
    ['SecurityOptions', checkOptions({}, {}).security],
  ])('%s states the defaults of the code', (name, defaults) => {
    const expectedDefaults = firstColumn(name).flatMap((field) => {
      // The default name comes from the class, so the code has no value for it.
      const [, value]: unknown[] = Object.entries(defaults).find(([key]) => key !== 'name' && key === field) ?? [];
      const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
      if (!isPlain || value === Number.POSITIVE_INFINITY) return [];
      return [[field, typeof value === 'string' ? `'${value}'` : String(value)]];
    });
    expect(expectedDefaults).not.toEqual([]);
    const statedDefaults = expectedDefaults.map(([field = '']) => [field, statedDefault(name, field)]);
    expect(statedDefaults.map(([field, text]) => [field, text?.replaceAll('_', '')])).toEqual(expectedDefaults);
  });

  it.each([
    'SubscriberServiceConfig',
    'DeliveryConfig',
    'StartOptions',
    'SecurityOptions',
    'HttpClientConfig',
    'HubFaults',
  ])('%s states the numeric defaults of the doc-comments', (name) => {
    const documentedDefaults = firstColumn(name).flatMap((field) => {
      const documented = defaultOf(name, field);
      return documented !== undefined && /^[\d_]+$/.test(documented) ? [[field, documented]] : [];
    });
    expect(documentedDefaults).not.toEqual([]);
    expect(documentedDefaults.map(([field = '']) => [field, statedDefault(name, field)])).toEqual(documentedDefaults);
  });
});

describe('each TypeScript snippet of the README', () => {
  const folder = temporaryDirectory(afterAll);

  beforeAll(async () => {
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await mkdir(join(folder, 'snippets'));
    const files = snippets.map((code, index) => writeFile(join(folder, `snippets/${index + 1}.ts`), code));
    await Promise.all(files);
  });

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

  it('fails to compile with a mistake', async () => {
    await mkdir(join(folder, 'wrong'));
    const quickStart = read('examples/quick-start.ts');
    await writeFile(join(folder, 'wrong/1.ts'), quickStart.replace('target: FEED', 'targt: FEED'));
    const project = join(folder, 'tsconfig.wrong.json');
    await writeFile(project, JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['wrong/*.ts'] }));
    expect(await compile(project)).toMatch(/targt/);
  }, 60_000);
});

/** Returns the compiler errors; '' if there are none. */
function compile(project: string): Promise<string> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, '-p', project, '--pretty', 'false'], (error, stdout, stderr) => {
      resolve(error === null ? '' : stdout + stderr);
    });
  });
}

/** The rows of the table with this heading in its first column. */
function tableOf(heading: string): string[][] {
  return rowsIn(readme, heading);
}

/** The rows of the first table below a heading. */
function tableBelow(heading: string): string[][] {
  return rowsIn(readme.slice(readme.search(new RegExp(`^##+ ${heading}$`, 'm'))), '[^|]+?');
}

function rowsIn(text: string, heading: string): string[][] {
  const [, rows = ''] =
    new RegExp(`^\\| +\`?${heading}\`? +\\|.*\\n\\|[-:| ]+\\n((?:\\|.*\\n)+)`, 'm').exec(text) ?? [];
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

/** The first text between backticks in the default column of a field. */
function statedDefault(heading: string, field: string): string | undefined {
  const [, , cell = ''] = tableOf(heading).find(([name]) => name === `\`${field}\``) ?? [];
  return codes(cell)[0];
}

/** The anchor of a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}

/** The texts between backticks. */
function codes(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

function interfaceText(name: string): string {
  const [, body = ''] = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(sources) ?? [];
  return body;
}

/** The fields an interface declares itself, in source order. */
function fieldsOf(name: string): string[] {
  return [...interfaceText(name).matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field = '']) => field);
}

function defaultOf(name: string, field: string): string | undefined {
  const body = interfaceText(name);
  const textBefore = body.slice(0, Math.max(0, body.search(new RegExp(`^ {2}readonly ${field}\\??:`, 'm'))));
  const comment = textBefore.slice(textBefore.lastIndexOf('/**'));
  return /@default ([^\s*]+)/.exec(comment)?.[1];
}
