import { setImmediate as macrotask } from 'node:timers/promises';
import { loadWorkerCode } from '../../feed/parse/worker-code.js';
import { loadHttpParser } from '../../hub/http/http-parser.js';
import { undiciModules } from '../../hub/http/undici-modules.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { onDemand } from '../../on-demand.js';

/** Loads one package that a runtime needs after its start. */
type Load = () => unknown;

/** All packages, whatever the options, in the order in which they are needed. */
const PRELOADED_PACKAGES: readonly Load[] = [
  () => undiciModules(),
  () => onDemand('ofetch'),
  () => onDemand('ipaddr.js'),
  () => onDemand('cron'),
  () => onDemand('htmlparser2'),
  () => onDemand('feedsmith'),
  loadHttpParser,
  loadWorkerCode,
];

/** Dependencies of `loadPackages`. */
export interface LoadPackagesOptions {
  readonly logger: Logger;
  /** Whether the runtime stops: no more packages are loaded then. */
  readonly isStopping: () => boolean;
}

/**
 * Loads all packages for answering, scheduling, parsing and discovery in advance. Later, a deploy may have replaced
 * `node_modules`, or connections may use every file descriptor.
 *
 * Loads one package per turn of the event loop. Never rejects: a package that fails is loaded again when it is needed.
 */
export async function loadPackages(
  { logger, isStopping }: LoadPackagesOptions,
  packages = PRELOADED_PACKAGES,
): Promise<void> {
  for (const load of packages) {
    if (isStopping()) return;
    try {
      await load();
    } catch (error) {
      log(logger, 'package.load-failed', { err: error });
    }
    await macrotask();
  }
}
