import { compileFixture } from '../kit/compile-fixture.js';
import { measure, type Result } from './measure.js';
import { readOptions, USAGE, UsageError } from './options.js';
import { scenarios } from './scenarios.js';
import { renderTable } from './table.js';

/** Runs the scenarios and prints the results. */
async function main(): Promise<void> {
  const options = readOptions(
    process.argv.slice(2),
    scenarios.map(({ name }) => name),
  );
  if (options === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  const { only, scale, rounds } = options;
  const { file, remove } = await compileFixture('hostile/subject/subject.ts');
  const results: Result[] = [];
  try {
    for (const scenario of scenarios) {
      if (only.length > 0 && !only.includes(scenario.name)) continue;
      process.stderr.write(`… ${scenario.name}: ${scenario.what}${scale === 1 ? '' : `, times ${scale}`}\n`);
      results.push(...(await measure(scenario, { subject: file, scale }, rounds)));
    }
  } finally {
    await remove();
  }
  process.stdout.write(
    `\n${renderTable(results)}\n\nMedians of ${rounds} rounds. \`blocks\`, \`resident\` and \`heap\` are less idle.\n`,
  );
  if (results.some(({ isWithin }) => !isWithin)) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(
    isUsage ? `${error.message}\n\n${USAGE}` : `${error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = isUsage ? 2 : 1;
}
