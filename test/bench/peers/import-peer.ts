import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { PEERS } from './folder.js';

/**
 * Imports a package from the peers' folder; it is no dependency of this package. Its types are unknown here. The check
 * that all servers do the same work shows whether it is called correctly.
 */
export async function importPeer<Peer>(
  name: string,
  isPeer: (module: Readonly<Record<string, unknown>>) => boolean,
): Promise<Peer> {
  const path = createRequire(new URL('package.json', PEERS)).resolve(name);
  const module: Record<string, unknown> = await import(pathToFileURL(path).href);
  if (!isPeer(module)) throw new Error(`${name} is not what the benchmark was written for`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the check above has found what is called
  return module as Peer;
}
