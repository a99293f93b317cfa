import { ConfigurationError } from '../errors.js';
import { checkFields, flag, isRecord, numberOf, wrongField, wrongValue, type Check } from './field-checks.js';
import { LONGEST_TIMER_MS } from './request-checks.js';
import type { SecurityOptions, StartOptions } from './start-options.js';
import { httpUrl, servicePath } from './url-checks.js';

/** Options found right, with their defaults. */
export type CheckedOptions = Omit<StartOptions, WithDefault> &
  Required<Pick<StartOptions, Exclude<WithDefault, 'security'>>> & { readonly security: Required<SecurityOptions> };

type WithDefault = 'port' | 'manual' | 'basePath' | 'store' | 'failFast' | 'gracefulShutdownSeconds' | 'security';

const MOST = Number.MAX_SAFE_INTEGER;

const port = numberOf('a TCP port', { least: 0, most: 65_535, whole: true });

const given =
  <T>(expected: string, isRight: (value: unknown) => value is T): Check<T> =>
  (value, place) => {
    if (!isRight(value)) throw wrongValue(place, value, expected);
    return value;
  };

const hasMethods = (value: unknown, ...methods: readonly string[]): boolean =>
  isRecord(value) && methods.every((method) => typeof value[method] === 'function');

const SECURITY = {
  maxBodyBytes: numberOf('bytes', { least: 1, most: MOST, whole: true }),
  bodyTimeoutMs: numberOf('milliseconds', { least: 1, most: LONGEST_TIMER_MS, whole: true }),
  allowPrivateNetworks: flag,
  allowInsecureSecret: flag,
  maxLeaseSeconds: numberOf('seconds', { least: 1, most: MOST, whole: true }),
  defaultLeaseSeconds: numberOf('seconds', { least: 1, most: MOST, whole: true }),
} satisfies Record<keyof SecurityOptions, Check<unknown>>;

const security: Check<Required<SecurityOptions>> = (value, place) => ({
  maxBodyBytes: 10 * 1024 * 1024,
  bodyTimeoutMs: 30_000,
  allowPrivateNetworks: false,
  allowInsecureSecret: false,
  maxLeaseSeconds: 31_536_000,
  defaultLeaseSeconds: 86_400,
  ...checkFields(value, place, SECURITY),
});

const basePath: Check<string> = (value, place) => (value === '/' || value === '' ? '' : `/${servicePath(value, place)}`);

const publicUrl: Check<string> = (value, place) => {
  const url = httpUrl(value, place);
  if (url.includes('?')) throw wrongField(place, 'has a query, to which no path can be appended');
  return url.replace(/\/+$/, '');
};

const OPTIONS = {
  port,
  host: given('a host name or an address', (value): value is string => typeof value === 'string' && value !== ''),
  server: given('a node:http or node:https server', (value): value is NonNullable<StartOptions['server']> =>
    hasMethods(value, 'listen', 'emit', 'address'),
  ),
  tls: given('an object with key and cert', (value): value is NonNullable<StartOptions['tls']> => isRecord(value)),
  manual: flag,
  basePath,
  publicUrl,
  tunnel: given(
    'a function that takes an address and opens a way to it',
    (value): value is NonNullable<StartOptions['tunnel']> => typeof value === 'function',
  ),
  store: given(
    "a Keyv, a URI such as 'lmdb://.websub', or 'memory'",
    (value): value is NonNullable<StartOptions['store']> =>
      typeof value === 'string' || hasMethods(value, 'get', 'set', 'delete'),
  ),
  container: given(
    'a tsyringe container',
    (value): value is NonNullable<StartOptions['container']> => hasMethods(value, 'resolve', 'createChildContainer'),
  ),
  logger: given(
    'a logger with debug, info, warn, error and fatal, such as pino, or false',
    (value): value is NonNullable<StartOptions['logger']> =>
      value === false || hasMethods(value, 'debug', 'info', 'warn', 'error', 'fatal'),
  ),
  failFast: flag,
  gracefulShutdownSeconds: numberOf('seconds', { least: 0, most: LONGEST_TIMER_MS / 1000, whole: false }),
  handleSignals: flag,
  security,
} satisfies Record<keyof StartOptions, Check<unknown>>;

/**
 * Checks the options of `startService` and fills in their defaults, from the environment where it names one.
 *
 * @throws ConfigurationError that names the option, its value and what would be right
 */
export function checkOptions(options: StartOptions, env: NodeJS.ProcessEnv): CheckedOptions {
  const place = { subject: 'startService', field: '' };
  const { security: bounds, ...checked } = checkFields(options, place, OPTIONS);
  const fromEnv = environment(env);
  const all: CheckedOptions = {
    port: 9090,
    manual: false,
    basePath: '/websub',
    store: 'lmdb://.websub',
    failFast: false,
    gracefulShutdownSeconds: 20,
    ...fromEnv,
    ...checked,
    security: bounds ?? security({}, { ...place, field: 'security' }),
  };
  if (all.manual && all.publicUrl === undefined) {
    throw new ConfigurationError(
      'startService: manual needs publicUrl, as nothing listens whose address could be taken instead.',
    );
  }
  const listens = [all.manual ? 'manual' : '', all.server === undefined ? '' : 'server'].filter((name) => name !== '');
  if (listens.length > 1) throw new ConfigurationError('startService: manual and server exclude each other.');
  const [other] = listens;
  if (other !== undefined && all.tls !== undefined) {
    throw new ConfigurationError(`startService: tls is for a server of the runtime's own, which ${other} rules out.`);
  }
  if (other === 'manual' && all.tunnel !== undefined) {
    throw new ConfigurationError('startService: tunnel needs an address to lead to, which manual rules out.');
  }
  return all;
}

function environment(env: NodeJS.ProcessEnv): Pick<StartOptions, 'port' | 'publicUrl' | 'store'> {
  const { PORT, WEBSUB_PUBLIC_URL, WEBSUB_STORE } = env;
  const subject = 'The environment';
  return {
    ...(PORT === undefined || PORT === '' ? {} : { port: port(Number(PORT), { subject, field: 'PORT' }) }),
    ...(WEBSUB_PUBLIC_URL === undefined || WEBSUB_PUBLIC_URL === ''
      ? {}
      : { publicUrl: publicUrl(WEBSUB_PUBLIC_URL, { subject, field: 'WEBSUB_PUBLIC_URL' }) }),
    ...(WEBSUB_STORE === undefined || WEBSUB_STORE === '' ? {} : { store: WEBSUB_STORE }),
  };
}
