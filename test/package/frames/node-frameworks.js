import assert from 'node:assert/strict';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.js';
import { drive } from './drive.js';
import { PROGRAMS } from './environment.js';
import { compile } from './typescript.js';

const EXAMPLES = 'node_modules/websub-subscriber/examples';

/** Packages the programs and examples below need. */
export const PACKAGES = [
  'express@5',
  'fastify@5',
  'hono@4',
  '@hono/node-server@2',
  'h3@2',
  'tsx@4',
  'zod@4',
  '@ngrok/ngrok@1',
];

/** An example in the installed package. */
const example = (name) => ({
  name: `${name}: the example`,
  args: ['--import', 'tsx', `${EXAMPLES}/${name}.ts`],
});

/** An example that prints the title or the id of each entry. */
const feedExample = (file, text, options = {}) => ({
  name: `${file}: the example`,
  args: [...(file.endsWith('.ts') ? ['--import', 'tsx'] : []), `${EXAMPLES}/${file}`],
  check: async ({ topic, program }) => {
    const feed = '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:x</id><title>First</title></entry></feed>';
    const [delivery] = await topic.publish(feed, { contentType: 'application/atom+xml' });
    assert.equal(delivery?.status, 202);
    await program.printed(text);
  },
  ...options,
});

const program = (name, file, options = {}) => ({
  name,
  args: [`programs/${file}.js`],
  prints: 'raw',
  echo: '/orders',
  ...options,
});

const APPS = [
  feedExample('quick-start.ts', 'new First'),
  feedExample('quick-start.mjs', 'new First'),
  feedExample('proxy.ts', 'new First', { base: '/hooks' }),
  feedExample('many-hubs.ts', 'new: First, from'),
  feedExample('duplicates.ts', 'new: First (urn:x)'),
  feedExample('catch-up.ts', 'new: First, found by hub'),
  feedExample('deploy.ts', 'new First', { left: 'active' }),
  feedExample('injection.ts', '"id":"urn:x","count":1'),
  example('express'),
  program('express: nodeHandler before express.json()', 'express-before-json'),
  program('express: nodeHandler after express.json({ verify }) that keeps rawBody', 'express-after-json'),
  program("express: app.all('/websub/*splat', nodeHandler)", 'express-all-wildcard'),
  program("express: app.use('/hooks/*splat', nodeHandler)", 'express-use-wildcard', { base: '/hooks' }),
  program("express: app.use('/hooks', nodeHandler), a prefix that is cut off", 'express-prefix', { base: '/hooks' }),
  example('fastify'),
  program('fastify: nodeHandler in an onRequest hook', 'fastify-hook'),
  program('fastify: app.close() at SIGTERM, the runtime stops in preClose', 'fastify-close', {
    end: { code: 0, signal: null },
  }),
  example('hono'),
  program('hono: runtime.fetch', 'hono-fetch'),
  example('h3'),
  program('h3: runtime.fetch', 'h3-fetch'),
];

/** Express, Fastify, Hono and h3 in one project. */
export async function nodeFrameworkCases(project) {
  await cp(PROGRAMS, join(project, 'programs'), { recursive: true });
  const cases = APPS.map((app) => ({ name: app.name, run: () => drive({ ...app, cwd: project }) }));
  const routeProgram = program('fastify: a route', 'fastify-route', { cwd: project });
  return [
    ...cases,
    {
      name: 'fastify: a route with nodeHandler, to which XML gets 415 and JSON gets 500',
      run: () => drive({ ...routeProgram, check: fastifyRouteFails }),
    },
    {
      name: 'testing and demo: the examples, run to their ends',
      async run() {
        const run = (...args) => runCommand(process.execPath, ['--import', 'tsx', ...args], { cwd: project });
        await Promise.all([run('--test', `${EXAMPLES}/testing.ts`), run(`${EXAMPLES}/demo.ts`, '--once')]);
      },
    },
    { name: 'the examples compile, with standard decorators', run: () => compileExamples(project) },
  ];
}

/** Examples that import a package without types, or one that is not installed here. This repository compiles them. */
const NOT_COMPILED = new Set(['express.ts', 'testing.vitest.test.ts']);

async function compileExamples(project) {
  const compiled = join(project, 'compiled');
  await cp(join(project, EXAMPLES), compiled, { recursive: true });
  const files = (await readdir(compiled)).filter((file) => file.endsWith('.ts') && !NOT_COMPILED.has(file));
  const paths = files.map((file) => `compiled/${file}`);
  await compile(project, { target: 'es2022', lib: ['es2023', 'esnext.disposable'], noEmit: true }, paths);
}

async function fastifyRouteFails({ topic, program }) {
  const [xml] = await topic.publish('<feed/>', { contentType: 'application/atom+xml' });
  assert.equal(xml?.status, 415);
  const [json] = await topic.publish('{}', { contentType: 'application/json' });
  assert.equal(json?.status, 500);
  assert.doesNotMatch(program.output(), /"raw"/);
}
