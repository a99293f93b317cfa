import { StoreError } from '../../errors.js';
import { toStoreError } from '../store-error.js';

/**
 * Imports a package that users install only for the store they chose. The name is not a literal in `import`, because
 * bundlers fail on packages that are not installed.
 *
 * @throws StoreError with the install command when the package is missing.
 */
export async function loadOptionalPeer<Module>(
  name: string,
  load: () => Promise<Module> = () => import(name),
): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if (!isMissing(cause, name)) throw toStoreError(`The package ${name} could not be loaded`, cause);
    throw new StoreError(`This store needs the package ${name}, which is not installed. Run: npm install ${name}`, {
      cause,
    });
  }
}

function isMissing(cause: unknown, name: string): boolean {
  return (
    cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND' && cause.message.includes(name)
  );
}
