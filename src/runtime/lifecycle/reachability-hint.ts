import type { CheckedOptions } from '../config/check-options.js';

/** How hubs reach the callbacks, in words for errors. */
export interface ReachabilityHint {
  /** The public URL with the base path. */
  readonly baseUrl: string;
  /** Where the callbacks are answered. */
  readonly routing: string;
  /** The moment that the first requests wait for. */
  readonly startCondition: string;
}

/** @param port the port that callbacks are answered on; undefined where it is not known */
export function reachabilityHintOf(
  { server, manual, deferRequests, basePath }: Pick<CheckedOptions, 'server' | 'manual' | 'deferRequests' | 'basePath'>,
  url: string,
  port: number | undefined,
): ReachabilityHint {
  const routing = routingOf(manual, server !== undefined, port);
  return { baseUrl: url + basePath, routing, startCondition: startConditionOf(manual, deferRequests) };
}

function startConditionOf(manual: boolean, deferRequests: boolean): string {
  if (deferRequests) return 'runtime.begin() is called';
  return manual ? 'a short time for mounting the callbacks has passed' : 'the given server listens';
}

function routingOf(manual: boolean, hasServer: boolean, port: number | undefined): string {
  if (manual)
    return 'must lead to runtime.nodeHandler or runtime.fetch, mounted in your application before any body parser';
  if (hasServer) return `must lead to the given server${port === undefined ? '' : `, port ${port}`}`;
  return `must lead to this process, port ${port}`;
}
