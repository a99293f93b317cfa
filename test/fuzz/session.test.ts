import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileFixture, type CompiledFixture } from '../kit/compile-fixture.js';
import { inputOf } from './child.js';
import type { Job } from './job.js';
import { seedsOf } from './seeds.js';
import { runSession, type SessionResult } from './session.js';
import { temporaryDirectory } from '../kit/temporary-directory.js';

let fixture: CompiledFixture;
const directory = temporaryDirectory(afterAll);
beforeAll(async () => {
  fixture = await compileFixture('fuzz/fixtures/faulty-process.ts');
});
afterAll(async () => {
  await fixture.remove();
});

const seeds = seedsOf('dates', '');
const inputFor = (job: Pick<Job, 'seed' | 'target' | 'maxBytes'>, input: number): Buffer => inputOf(job, input, seeds);

async function run(target: string, { from = 0, until = 60, deadline = Infinity } = {}): Promise<SessionResult> {
  const job: Job = {
    target,
    seed: 1,
    from,
    until,
    maxBytes: 64,
    deadline: Math.min(deadline, Date.now() + 60_000),
    corpus: '',
    placeFile: join(directory, target),
  };
  const preload = fileURLToPath(new URL('../kit/set-up/loopback-only.cjs', import.meta.url));
  return runSession(job, { file: fixture.file, preload, hangsAfterMs: 2_000, inputOf: inputFor });
}

test('a correct target runs all inputs without findings', async () => {
  expect(await run('sound')).toMatchObject({ inputs: 60, refused: 0, findings: [] });
});

test('documented errors are counted and are not findings', async () => {
  const { inputs, refused, findings } = await run('refusing');
  expect([inputs, findings]).toEqual([60, []]);
  expect(refused).toBeGreaterThan(30);
});

test('no input starts after the deadline', async () => {
  expect(await run('sound', { deadline: 0 })).toMatchObject({ inputs: 0, findings: [] });
});

test.each([
  ['throwing', /TypeError: not thought of/],
  ['slow', /It took \d+ ms of the processor, not 5/],
  ['dying', /The process died \(SIGABRT\)/],
  ['hanging', /It hangs: no answer in 2000 ms/],
])(
  'an input that triggers the fault of a %s target is a finding and can be reproduced',
  async (target, what) => {
    const until = target === 'hanging' ? 12 : 60;
    const { findings, inputs } = await run(target, { until });
    const [finding] = findings;
    expect(finding).toMatchObject({ target, maxBytes: 64, what: expect.stringMatching(what) });
    const input = Buffer.from(finding?.base64 ?? '', 'base64');
    expect(input.length % 7).toBe(3);
    expect(input).toEqual(inputFor({ seed: 1, target, maxBytes: 64 }, finding?.input ?? -1));
    // The run continues after that input.
    expect(inputs).toBeGreaterThan((finding?.input ?? 0) + 1);
    const from = finding?.input ?? 0;
    expect((await run(target, { from, until: from + 1 })).findings).toMatchObject([{ input: from }]);
  },
  60_000,
);
