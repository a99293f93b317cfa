import type { CheckedOptions } from '../config/check-options.js';

/** How hubs reach the callbacks, in words for errors. */
export interface Reach {
  /** The public URL with the base path. */
  readonly base: string;
  /** Where the callbacks are answered. */
  readonly mount: string;
  /** The moment that the first requests wait for. */
  readonly begins: string;
}

/** @param port the port that callbacks are answered on; undefined where it is not known */
export function reachOf(
  { server, manual, deferRequests, basePath }: Pick<CheckedOptions, 'server' | 'manual' | 'deferRequests' | 'basePath'>,
  url: string,
  port: number | undefined,
): Reach {
  const mount = mountOf(manual, server !== undefined, port);
  return { base: url + basePath, mount, begins: beginsWhen(manual, deferRequests) };
}

function beginsWhen(manual: boolean, deferRequests: boolean): string {
  if (deferRequests) return 'runtime.begin() is called';
  return manual ? 'a short time for mounting the callbacks has passed' : 'the given server listens';
}

function mountOf(manual: boolean, isGiven: boolean, port: number | undefined): string {
  if (manual)
    return 'must lead to runtime.nodeHandler or runtime.fetch, mounted in your application before any body parser';
  if (isGiven) return `must lead to the given server${port === undefined ? '' : `, port ${port}`}`;
  return `must lead to this process, port ${port}`;
}
