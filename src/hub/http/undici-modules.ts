import type * as Undici from 'undici';
import { onDemand } from '../../on-demand.js';

/** The parts of undici that this package uses. */
export interface UndiciModules extends Pick<typeof Undici, 'Agent' | 'Client' | 'buildConnector' | 'errors'> {
  readonly request: (
    dispatcher: Undici.Dispatcher,
    options: Undici.Dispatcher.RequestOptions,
  ) => Promise<Undici.Dispatcher.ResponseData<unknown>>;
}

/** Loads a package, or one of its files. */
type Load = typeof onDemand;

/**
 * Loads the parts of undici that this package uses, from their own files. Undici's index also loads fetch, web sockets
 * and caches, which takes three times as long.
 *
 * The files are internal to undici. If a version has other files, this loads the index.
 *
 * @throws Error if undici cannot be loaded. The next call tries again.
 */
export function undiciModules(load: Load = onDemand): UndiciModules {
  return loadFiles(load) ?? loadIndex(load);
}

function loadFiles(load: Load): UndiciModules | undefined {
  try {
    const Agent = load('undici/lib/dispatcher/agent.js');
    const Client = load('undici/lib/dispatcher/client.js');
    const buildConnector = load('undici/lib/core/connect.js');
    const errors = load('undici/lib/core/errors.js');
    const request = load('undici/lib/api/api-request.js');
    const hasAllParts = [Agent, Client, buildConnector, request, errors.ClientDestroyedError].every(
      (part: unknown) => typeof part === 'function',
    );
    if (!hasAllParts) return undefined;
    return {
      Agent,
      Client,
      buildConnector,
      errors,
      request: (dispatcher, options) => request.call(dispatcher, options),
    };
  } catch {
    return undefined;
  }
}

function loadIndex(load: Load): UndiciModules {
  const { Agent, Client, buildConnector, errors } = load('undici');
  return { Agent, Client, buildConnector, errors, request: (dispatcher, options) => dispatcher.request(options) };
}
