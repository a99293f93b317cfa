import { setImmediate as macrotask } from 'node:timers/promises';
import type { EngineContext } from '../../engine/engine-context.js';
import { loadWorkerCode } from '../../feed/parse/worker-code.js';
import { loadHttpParser } from '../../hub/http/http-parser.js';
import { undiciModules } from '../../hub/http/undici-modules.js';
import { log } from '../../log-events.js';
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

/**
 * Loads all packages for answering, scheduling, parsing and discovery in advance. Later, a deploy may have replaced
 * `node_modules`, or connections may use every file descriptor.
 *
 * Loads one package per turn of the event loop, until a stop begins. Never rejects: a package that fails is loaded again
 * when it is needed.
 */
export async function loadPackages(
  { logger, closing }: Pick<EngineContext, 'logger' | 'closing'>,
  packages = PRELOADED_PACKAGES,
): Promise<void> {
  for (const load of packages) {
    if (closing.isStopping) return;
    try {
      await load();
    } catch (error) {
      log(logger, 'package.load-failed', { err: error });
    }
    await macrotask();
  }
}
