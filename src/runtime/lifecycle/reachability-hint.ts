import type { CheckedOptions } from '../config/check-options.js';

/** Texts for errors that explain how hubs reach the callbacks. */
export interface ReachabilityHint {
  /** The public URL with the base path. */
  readonly baseUrl: string;
  /** Says where the public URL must lead to. */
  readonly routing: string;
  /** Says what the first requests wait for. */
  readonly startCondition: string;
}

/** @param port the port of the callbacks; undefined if unknown */
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
  return manual ? 'the short delay for mounting the callbacks is over' : 'the given server listens';
}

function routingOf(manual: boolean, hasServer: boolean, port: number | undefined): string {
  if (manual)
    return 'must lead to runtime.nodeHandler or runtime.fetch, mounted in your application before any body parser';
  if (hasServer) return `must lead to the given server${port === undefined ? '' : `, port ${port}`}`;
  return `must lead to this process, port ${port}`;
}
