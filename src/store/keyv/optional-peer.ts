import { StoreError } from '../../errors.js';
import { toStoreError } from '../store-error.js';

/**
 * Imports a package that users install only for the store they chose. No `import` names it: a bundler would stop where the
 * package is not installed.
 *
 * @throws StoreError naming the install command where it is missing.
 */
export async function loadOptionalPeer<Module>(
  name: string,
  load: () => Promise<Module> = () => import(name),
): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if (!isMissing(cause, name)) throw toStoreError(`The package ${name} could not be loaded`, cause);
    throw new StoreError(`This store needs the package ${name}, which is not installed: npm install ${name}`, {
      cause,
    });
  }
}

function isMissing(cause: unknown, name: string): boolean {
  return (
    cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND' && cause.message.includes(name)
  );
}
