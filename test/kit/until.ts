const LIMIT_MS = 15_000;

/** Polls a probe until it returns a value other than undefined and false. Rejects after 15 seconds. */
export async function until<T>(probe: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`not within 15 s: ${probe.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
