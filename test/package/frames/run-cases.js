/** Programs at a time: most of their time is spent starting, which takes a processor. */
const AT_ONCE = 3;

/** Runs cases, several at a time, prints a line for each and returns the names of those that failed. */
export async function runCases(cases) {
  const waiting = [...cases];
  const failed = [];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const startedAt = performance.now();
      try {
        await next.run();
        console.log(`  ok     ${next.name} (${seconds(startedAt)})`);
      } catch (error) {
        failed.push(next.name);
        console.log(`  FAILED ${next.name} (${seconds(startedAt)})\n${error.stack}`);
        if (error.cause instanceof Error) console.log(error.cause.stack);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return failed;
}

/** The seconds since a time of `performance.now()`. */
export function seconds(startedAt) {
  return `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
}
