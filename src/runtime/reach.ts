import type { CheckedOptions } from './check-options.js';

/** How hubs reach the callbacks, in words for errors. */
export interface Reach {
  /** The public URL with the base path. */
  readonly base: string;
  /** Where the callbacks are answered. */
  readonly mount: string;
  /** What the first requests wait for. */
  readonly begins: string;
}

/** @param port the port that callbacks are answered on; undefined where it is not known */
export function reachOf(
  { server, manual, deferRequests, basePath }: Pick<CheckedOptions, 'server' | 'manual' | 'deferRequests' | 'basePath'>,
  url: string,
  port: number | undefined,
): Reach {
  const begins = deferRequests ? 'runtime.begin() is called' : 'the given server listens';
  return { base: url + basePath, mount: mountOf(manual, server !== undefined, port), begins };
}

function mountOf(manual: boolean, isGiven: boolean, port: number | undefined): string {
  if (manual)
    return 'must lead to runtime.nodeHandler or runtime.fetch, mounted in your application before any body parser';
  if (isGiven) return `must lead to the given server${port === undefined ? '' : `, port ${port}`}`;
  return `must lead to this process, port ${port}`;
}
