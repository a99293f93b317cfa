import { ConfigurationError } from '../../errors.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import {
  checkFields,
  flag,
  numberOf,
  wrongField,
  wrongHiddenValue,
  wrongValue,
  type Check,
  type Place,
} from './checks/field-checks.js';
import { cronProblem } from '../../engine/cron-expression.js';
import { MAX_TIMER_MS } from '../../hub/http/deadline.js';
import { onDemand } from '../../on-demand.js';
import { sealKeysFrom, security, type CheckedSecurity } from './checks/security-checks.js';
import type { SealKey } from '../../store/sealing/seal-key.js';
import type { ScheduleOptions, StartOptions } from './start-options.js';
import { httpUrl, servicePath } from './checks/url-checks.js';

/** Valid options, with defaults. */
export type CheckedOptions = Omit<StartOptions, WithDefault> &
  Required<Pick<StartOptions, Exclude<WithDefault, 'schedule' | 'security'>>> & {
    readonly schedule: Required<ScheduleOptions>;
    readonly security: CheckedSecurity;
    /** The first key seals stored records, and every key opens them. Without keys, records are stored unsealed. */
    readonly sealKeys: readonly SealKey[];
  };

type WithDefault =
  | 'port'
  | 'manual'
  | 'deferRequests'
  | 'basePath'
  | 'store'
  | 'waitForStoreSeconds'
  | 'schedule'
  | 'failFast'
  | 'pruneDeclared'
  | 'gracefulShutdownSeconds'
  | 'security';

const port: Check<number> = (value, place) => {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw wrongValue(place, value, 'a TCP port, a whole number from 0 to 65535');
};

const predicateCheck =
  <T>(expected: string, isValid: (value: unknown) => value is T): Check<T> =>
  (value, place) => {
    if (!isValid(value)) throw wrongValue(place, value, expected);
    return value;
  };

const hasMethods = (value: unknown, ...methods: readonly string[]): boolean =>
  isRecord(value) && methods.every((method) => typeof value[method] === 'function');

const cronExpression: Check<string> = (value, place) => {
  const expected = "a cron expression such as '0 * * * *'";
  if (typeof value !== 'string') throw wrongValue(place, value, expected);
  const problem = cronProblem(value);
  if (problem !== undefined) throw wrongValue(place, value, `${expected} (${problem})`);
  return value;
};

const SCHEDULE = {
  refresh: cronExpression,
  retry: cronExpression,
  sweep: cronExpression,
} satisfies Record<keyof ScheduleOptions, Check<unknown>>;

const schedule: Check<Required<ScheduleOptions>> = (value, place) => ({
  refresh: '0 * * * *',
  retry: '*/10 * * * *',
  sweep: '0 3 * * *',
  ...checkFields(value, place, SCHEDULE),
});

const basePath: Check<string> = (value, place) =>
  value === '/' || value === '' ? '' : `/${servicePath(value, place)}`;

const publicUrl: Check<string> = (value, place) => {
  const url = httpUrl(value, place);
  if (url.includes('?')) throw wrongField(place, 'has a query, so no path can be appended. Remove the query');
  return url.replace(/\/+$/, '');
};

const isTls = (value: unknown): value is NonNullable<StartOptions['tls']> =>
  isRecord(value) && (value['pfx'] !== undefined || (value['key'] !== undefined && value['cert'] !== undefined));

const tls: Check<NonNullable<StartOptions['tls']>> = (value, place) => {
  if (!isTls(value)) throw wrongHiddenValue(place, value, 'an object with key and cert, or with pfx');
  try {
    onDemand('node:tls').createSecureContext(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw wrongField(place, `cannot be used (${reason}). Provide key and cert in PEM format`);
  }
  return value;
};

const OPTIONS = {
  port,
  host: predicateCheck(
    'a host name or an address',
    (value): value is string => typeof value === 'string' && value !== '',
  ),
  server: predicateCheck(
    'a node:http or node:https server, such as createServer(app)',
    (value): value is NonNullable<StartOptions['server']> => hasMethods(value, 'listen', 'emit', 'address'),
  ),
  tls,
  manual: flag,
  deferRequests: flag,
  basePath,
  publicUrl,
  tunnel: predicateCheck(
    'a function that opens a tunnel to a local URL and resolves to { url, close() }',
    (value): value is NonNullable<StartOptions['tunnel']> => typeof value === 'function',
  ),
  store: predicateCheck(
    "a Keyv, a URI such as 'lmdb://.websub', or 'memory'",
    (value): value is NonNullable<StartOptions['store']> =>
      typeof value === 'string' || hasMethods(value, 'get', 'set', 'delete'),
  ),
  waitForStoreSeconds: numberOf('seconds', { least: 0, most: MAX_TIMER_MS / 1000, whole: false }),
  container: predicateCheck('a tsyringe container', (value): value is NonNullable<StartOptions['container']> =>
    hasMethods(value, 'resolve', 'createChildContainer'),
  ),
  logger: predicateCheck(
    'a logger with debug, info, warn, error and fatal, such as pino, or false',
    (value): value is NonNullable<StartOptions['logger']> =>
      value === false || hasMethods(value, 'debug', 'info', 'warn', 'error', 'fatal'),
  ),
  schedule,
  failFast: flag,
  pruneDeclared: flag,
  gracefulShutdownSeconds: numberOf('seconds', { least: 0, most: MAX_TIMER_MS / 1000, whole: false }),
  handleSignals: flag,
  security,
} satisfies Record<keyof StartOptions, Check<unknown>>;

/**
 * Checks the options of `startService`, and fills in defaults from the environment and from code.
 *
 * @throws ConfigurationError that names the option, its value and what is expected
 */
export function checkOptions(options: StartOptions, env: NodeJS.ProcessEnv): CheckedOptions {
  const place = { subject: 'startService', field: '' };
  const { schedule: sweepTimes, security: securityOptions, ...checked } = checkFields(options, place, OPTIONS);
  const { sealKey, ...limits } = securityOptions ?? security({}, { ...place, field: 'security' });
  const all: CheckedOptions = {
    port: 9090,
    manual: false,
    deferRequests: false,
    basePath: '/websub',
    store: 'lmdb://.websub',
    waitForStoreSeconds: 0,
    failFast: false,
    pruneDeclared: false,
    gracefulShutdownSeconds: 20,
    ...environmentOptions(env, checked),
    ...checked,
    schedule: sweepTimes ?? schedule({}, { ...place, field: 'schedule' }),
    security: limits,
    sealKeys: sealKey ?? sealKeysFrom(env['WEBSUB_SEAL_KEY'] ?? ''),
  };
  refuseContradictions(all);
  return all;
}

/** Refuses options that are valid alone and contradict each other. */
function refuseContradictions(all: CheckedOptions): void {
  const { defaultLeaseSeconds, maxLeaseSeconds, maxInFlightBytes, maxBodyBytes } = all.security;
  if (maxInFlightBytes < maxBodyBytes) {
    throw new ConfigurationError(
      `startService: security.maxInFlightBytes is ${maxInFlightBytes}; it must be at least maxBodyBytes (${maxBodyBytes}), ` +
        'because a larger body could never be received.',
    );
  }
  if (defaultLeaseSeconds > maxLeaseSeconds) {
    throw new ConfigurationError(
      `startService: security.defaultLeaseSeconds is ${defaultLeaseSeconds}; it must be at most maxLeaseSeconds (${maxLeaseSeconds}).`,
    );
  }
  if (all.manual && all.publicUrl === undefined) {
    throw new ConfigurationError(
      'startService: manual requires publicUrl, because the runtime does not listen and has no address of its own.',
    );
  }
  const externalListeners = [all.manual ? 'manual' : '', all.server === undefined ? '' : 'server'].filter(
    (name) => name !== '',
  );
  if (externalListeners.length > 1) {
    throw new ConfigurationError('startService: manual cannot be combined with server. Omit one of them.');
  }
  const [external] = externalListeners;
  if (external !== undefined && all.tls !== undefined) {
    throw new ConfigurationError(
      `startService: tls cannot be combined with ${external}, because it configures only the runtime's own server. ` +
        'Configure TLS in your server, and omit tls.',
    );
  }
  if (external === 'manual' && all.tunnel !== undefined) {
    throw new ConfigurationError(
      'startService: tunnel cannot be combined with manual, because the runtime listens on no address. Omit tunnel.',
    );
  }
  const notListening = all.manual
    ? 'manual'
    : all.server?.listening === false
      ? 'a server that does not listen yet'
      : '';
  // With deferRequests, begin() rejects instead.
  if (all.failFast && notListening !== '' && !all.deferRequests) {
    throw new ConfigurationError(
      `startService: failFast cannot be combined with ${notListening}, because hubs are contacted only when callbacks can ` +
        'be answered. Set deferRequests and call runtime.begin() once your server listens. It rejects with the first failure.',
    );
  }
}

type FromEnvironment = Pick<StartOptions, 'port' | 'publicUrl' | 'store'>;

/** Reads from the environment only the options that are not set. */
function environmentOptions(
  env: NodeJS.ProcessEnv,
  options: Omit<StartOptions, 'schedule' | 'security'>,
): FromEnvironment {
  const subject = 'The environment';
  const read = <Field extends keyof FromEnvironment>(
    field: Field,
    name: string,
    check: (text: string, place: Place) => FromEnvironment[Field],
  ): FromEnvironment => {
    const text = env[name] ?? '';
    return text === '' || options[field] !== undefined ? {} : { [field]: check(text, { subject, field: name }) };
  };
  const hasOwnListener = options.manual !== true && options.server === undefined;
  return {
    ...(hasOwnListener ? read('port', 'PORT', parsePort) : {}),
    ...read('publicUrl', 'WEBSUB_PUBLIC_URL', publicUrl),
    ...read('store', 'WEBSUB_STORE', (text) => text),
  };
}

function parsePort(text: string, place: Place): number {
  // Number('') and Number(' ') are 0, which means any free port.
  return port(/^\d+$/.test(text) ? Number(text) : text, place);
}
