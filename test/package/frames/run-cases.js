/** Programs running at a time. A program spends most of its time starting, which needs CPU. */
const CONCURRENCY = 3;

/** Runs cases, several at a time. Prints a line for each and returns the names of the failed ones. */
export async function runCases(cases) {
  const pending = [...cases];
  const failedNames = [];
  const work = async () => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      const startedAt = performance.now();
      try {
        await next.run();
        console.log(`  ok     ${next.name} (${seconds(startedAt)})`);
      } catch (error) {
        failedNames.push(next.name);
        console.log(`  FAILED ${next.name} (${seconds(startedAt)})\n${error.stack}`);
        if (error.cause instanceof Error) console.log(error.cause.stack);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return failedNames;
}

/** Formats the seconds since a `performance.now()` time. */
export function seconds(startedAt) {
  return `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
}
