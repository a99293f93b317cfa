import { setImmediate as macrotask } from 'node:timers/promises';
import { loadWorkerCode } from '../../feed/parse/worker-code.js';
import { loadHttpParser } from '../../hub/http/http-parser.js';
import { undiciModules } from '../../hub/http/undici-modules.js';
import type { Logger } from '../../logger.js';
import { onDemand } from '../../on-demand.js';

/** Loads a part of what a runtime needs after its start. */
type Load = () => unknown;

/** All of it, whatever the options are. What is needed first comes first. */
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

/** How packages are loaded. */
export interface LoadPackagesOptions {
  readonly logger: Logger;
  /** Whether the runtime stops: nothing more is loaded then. */
  readonly isStopping: () => boolean;
}

/**
 * Loads all that answering, scheduling, parsing and discovery need, while there are files and descriptors to load it from:
 * a deploy may replace `node_modules`, and connections may take every descriptor. Loads one package a turn of the event
 * loop. Never rejects: a package that cannot be loaded now is tried again when it is needed.
 */
export async function loadPackages(
  { logger, isStopping }: LoadPackagesOptions,
  needed = PRELOADED_PACKAGES,
): Promise<void> {
  for (const load of needed) {
    if (isStopping()) return;
    try {
      await load();
    } catch (error) {
      logger.error({ err: error }, 'a package could not be loaded: tried again when it is needed');
    }
    await macrotask();
  }
}
