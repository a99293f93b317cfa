import { fileURLToPath } from 'node:url';

/** The hub's certificate, which the programs trust. */
export const CERTIFICATE = fileURLToPath(new URL('../../fixtures/tls/certificate.pem', import.meta.url));
export const KEY = fileURLToPath(new URL('../../fixtures/tls/key.pem', import.meta.url));

/** The programs copied into projects. */
export const PROGRAMS = fileURLToPath(new URL('programs', import.meta.url));

/** Variables that this package, Next.js and the tests read, and those `npm run` sets for this repository. */
const EXCLUDED =
  /^(npm_(lifecycle|package)_|npm_config_local_prefix$|WEBSUB_|PORT$|FEED$|LOG_LEVEL$|NODE_OPTIONS$|INIT_CWD$)/i;

/** The environment of every child process: no update checks, no telemetry, no download of a package manager. */
export function environment() {
  const inherited = Object.entries(process.env).filter(([name]) => !EXCLUDED.test(name));
  return {
    ...Object.fromEntries(inherited),
    CI: 'true',
    COREPACK_ENABLE_DOWNLOAD_PROMPT: '0',
    COREPACK_ENABLE_NETWORK: '0',
    NEXT_TELEMETRY_DISABLED: '1',
    NO_UPDATE_NOTIFIER: '1',
    YARN_ENABLE_TELEMETRY: '0',
    npm_config_update_notifier: 'false',
  };
}
