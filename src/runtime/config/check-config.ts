import { ConfigurationError } from '../../errors.js';
import { requestForm } from '../../protocol/request-form.js';
import type { SubscriptionTarget } from '../../subscription/record/snapshot.js';
import { MAX_TIMER_MS } from '../../hub/http/deadline.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import { checkFields, flag, listOf, numberOf, oneOf, wrongField, type Check } from './checks/field-checks.js';
import { discovery, httpClient, headersToAdd, paramsToAdd } from './checks/request-checks.js';
import {
  delivery,
  deliveryWithDefaults,
  hubs,
  injectionToken,
  isServiceName,
  secret,
  serviceName,
  signature,
} from './checks/service-checks.js';
import type { CheckedServiceConfig, SubscriberServiceConfig } from './service-config.js';
import { callbackRotationProblem, secretRotationProblem } from '../../reconcile/rotation-checks.js';
import {
  refuseDuplicates,
  refuseUndefinedTargets,
  refuseUnpollable,
  singleTarget,
  targetInList,
} from './checks/target-checks.js';
import { httpUrl, servicePath } from './checks/url-checks.js';

const UNLIMITED = Number.MAX_SAFE_INTEGER;

const SERVICE = {
  target: singleTarget,
  targets: listOf(targetInList, 'a list of URLs and { hub, topic } objects'),
  name: serviceName,
  inject: listOf(injectionToken, 'a list of classes, strings and symbols'),
  leaseSeconds: numberOf('seconds', { least: 1, most: UNLIMITED, whole: true }),
  secret,
  callback: httpUrl,
  appendServicePath: flag,
  servicePath,
  unsubscribeOnShutdown: flag,
  hubs,
  protocol: oneOf('websub', 'pubsubhubbub-0.3'),
  httpConfig: httpClient,
  discoveryConfig: discovery,
  customParams: paramsToAdd,
  customHeaders: headersToAdd,
  verifyTimeoutSeconds: numberOf('seconds', { least: 0.001, most: MAX_TIMER_MS / 1000, whole: false }),
  maxAttempts: numberOf('attempts', { least: 1, most: UNLIMITED, whole: true }),
  afterDenial: oneOf('retry', 'stop'),
  rotateSecret: oneOf('never', 'renewal'),
  rotateCallback: oneOf('never', 'renewal'),
  delivery,
  signature,
} satisfies Record<keyof SubscriberServiceConfig, Check<unknown>>;

/**
 * Checks a service's configuration and fills in its defaults.
 *
 * @param service the name if the configuration has none
 * @throws ConfigurationError that names the service, the field, its value (never a secret) and what is expected
 */
export function checkServiceConfig(service: string, config: SubscriberServiceConfig): CheckedServiceConfig {
  const subject = `Service "${nameForErrors(service, config)}"`;
  const place = { subject, field: '' };
  const { target, targets = [], ...fields } = checkFields(config, place, SERVICE);
  refuseUndefinedTargets(config, subject);
  const allTargets = Object.freeze(target === undefined ? targets : [target, ...targets]);
  refuseDuplicates(allTargets, subject);
  const checked: CheckedServiceConfig = {
    inject: undefined,
    leaseSeconds: undefined,
    secret: undefined,
    callback: undefined,
    appendServicePath: false,
    servicePath: undefined,
    unsubscribeOnShutdown: true,
    hubs: 'failover',
    protocol: 'websub',
    httpConfig: {},
    discoveryConfig: {},
    customParams: {},
    customHeaders: {},
    verifyTimeoutSeconds: 60,
    maxAttempts: Number.POSITIVE_INFINITY,
    afterDenial: 'retry',
    rotateSecret: 'never',
    rotateCallback: 'never',
    signature: signature({}, place),
    ...fields,
    delivery: deliveryWithDefaults(fields.delivery ?? {}, fields.hubs ?? 'failover'),
    name: fields.name ?? defaultName(service, subject),
    targets: allTargets,
  };
  checkCallback(checked, allTargets, subject);
  refuseUnpollable(allTargets, checked.delivery.pollSeconds, subject);
  const problem =
    (checked.rotateSecret === 'renewal' ? secretRotationProblem(checked) : undefined) ??
    (checked.rotateCallback === 'renewal' ? callbackRotationProblem(checked) : undefined);
  if (problem !== undefined) throw new ConfigurationError(`${subject}: ${problem}`);
  checkRequestForm(checked, subject);
  return Object.freeze(checked);
}

function defaultName(service: string, subject: string): string {
  if (service === '') {
    throw new ConfigurationError(
      'A service class without a name requires `name` in its configuration, because stored state is found by name.',
    );
  }
  return serviceName(service, { subject, field: 'name' });
}

function nameForErrors(service: string, config: unknown): string {
  const name = isRecord(config) ? config['name'] : undefined;
  return isServiceName(name) ? name : service;
}

function checkCallback(
  { callback, appendServicePath, hubs }: CheckedServiceConfig,
  targets: readonly SubscriptionTarget[],
  subject: string,
): void {
  if (callback === undefined) {
    if (appendServicePath)
      throw wrongField({ subject, field: 'appendServicePath' }, 'is true, which requires callback. Set callback too');
    return;
  }
  if (hubs === 'all' && !appendServicePath) {
    throw wrongField(
      { subject, field: 'hubs' },
      "is 'all', which requires a callback for each hub. Set appendServicePath too",
    );
  }
  if (appendServicePath && callback.includes('?')) {
    throw wrongField(
      { subject, field: 'callback' },
      'has a query, so appendServicePath cannot append a path. Remove the query, or omit appendServicePath',
    );
  }
  if (!appendServicePath && targets.length > 1) {
    throw wrongField(
      { subject, field: 'callback' },
      `is used unchanged, so it can serve only one target, not ${targets.length}. Set appendServicePath, or omit callback`,
    );
  }
}

/** Builds a request form as a test, so that invalid parameters fail here and not when a request is sent. */
export function checkRequestForm(
  { customParams, protocol }: Pick<CheckedServiceConfig, 'customParams' | 'protocol'>,
  subject: string,
): void {
  const anyUrl = 'https://example.com/';
  try {
    requestForm({ mode: 'subscribe', topic: anyUrl, callback: anyUrl, protocol, customParams });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError(`${subject}: ${error.message}`, { cause: error });
  }
}
