import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.js';
import { drive } from './drive.js';
import { PROGRAMS } from './environment.js';
import { compile } from './typescript.js';

const EXAMPLES = 'node_modules/websub-subscriber/examples';

/** Packages the programs and examples below need. */
export const PACKAGES = ['express@5', 'fastify@5', 'hono@4', '@hono/node-server@2', 'h3@2', 'tsx@4'];

/** An example in the installed package. */
const example = (name) => ({
  name: `${name}: the example`,
  args: ['--import', 'tsx', `${EXAMPLES}/${name}.ts`],
});

const program = (name, file, options = {}) => ({
  name,
  args: [`programs/${file}.js`],
  prints: 'raw',
  echo: '/orders',
  ...options,
});

const APPS = [
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

/** Leaves out Express, which has no types of its own. This repository compiles that example. */
async function compileExamples(project) {
  const files = ['fastify.ts', 'h3.ts', 'hono.ts'];
  await Promise.all(files.map((file) => cp(join(project, EXAMPLES, file), join(project, 'compiled', file))));
  const paths = files.map((file) => `compiled/${file}`);
  await compile(project, { target: 'es2022', noEmit: true }, paths);
}

async function fastifyRouteFails({ topic, program }) {
  const [xml] = await topic.publish('<feed/>', { contentType: 'application/atom+xml' });
  assert.equal(xml?.status, 415);
  const [json] = await topic.publish('{}', { contentType: 'application/json' });
  assert.equal(json?.status, 500);
  assert.doesNotMatch(program.output(), /"raw"/);
}
