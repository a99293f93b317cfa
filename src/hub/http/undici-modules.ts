import type * as Undici from 'undici';
import { onDemand } from '../../on-demand.js';

/** The parts of undici that are used. */
export interface UndiciModules extends Pick<typeof Undici, 'Agent' | 'Client' | 'buildConnector' | 'errors'> {
  readonly request: (
    dispatcher: Undici.Dispatcher,
    options: Undici.Dispatcher.RequestOptions,
  ) => Promise<Undici.Dispatcher.ResponseData<unknown>>;
}

/** Loads a package, or a file of one. */
type Load = typeof onDemand;

/**
 * The parts of undici that are used. Its index also loads fetch, web sockets and caches, which takes three times as long. The
 * files of the parts are its own business, so the index is loaded where they are not what they are here.
 *
 * @throws Error that undici could not be loaded. The next call tries again.
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
    const areKnown = [Agent, Client, buildConnector, request, errors.ClientDestroyedError].every(
      (part: unknown) => typeof part === 'function',
    );
    if (!areKnown) return undefined;
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
