import { fileURLToPath } from 'node:url';

/** The certificate of the hub, for programs to trust. */
export const CERTIFICATE = fileURLToPath(new URL('../../fixtures/tls/certificate.pem', import.meta.url));
export const KEY = fileURLToPath(new URL('../../fixtures/tls/key.pem', import.meta.url));

/** The programs that are copied into projects. */
export const PROGRAMS = fileURLToPath(new URL('programs', import.meta.url));

/** Variables that this package, Next.js and the tests read, and those that `npm run` sets for this repository. */
const LEFT_OUT =
  /^(npm_(lifecycle|package)_|npm_config_local_prefix$|WEBSUB_|PORT$|FEED$|LOG_LEVEL$|NODE_OPTIONS$|INIT_CWD$)/i;

/** The environment of every child process: nothing asks for updates, sends usage data or downloads a package manager. */
export function environment() {
  const own = Object.entries(process.env).filter(([name]) => !LEFT_OUT.test(name));
  return {
    ...Object.fromEntries(own),
    CI: 'true',
    COREPACK_ENABLE_DOWNLOAD_PROMPT: '0',
    COREPACK_ENABLE_NETWORK: '0',
    NEXT_TELEMETRY_DISABLED: '1',
    NO_UPDATE_NOTIFIER: '1',
    YARN_ENABLE_TELEMETRY: '0',
    npm_config_update_notifier: 'false',
  };
}
