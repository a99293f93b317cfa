import { isUtf8 } from 'node:buffer';
import type { ReceivedRequest } from '../subscriptions/received-request.js';
import type { SubscriptionRequest } from '../subscriptions/subscription-request.js';
import type { SubscriptionTable } from '../subscriptions/subscription-table.js';
import type { RequestViolationCode, Violation } from './violation.js';
import { violationMessage } from './violation-messages.js';

/** Protocol a hub speaks. */
export type HubProtocol = 'websub' | 'pubsubhubbub-0.3';

/** The hub state that a request is checked against. */
export interface CheckContext {
  readonly protocol: HubProtocol;
  /** Whether the hub is served over TLS. */
  readonly isSecure: boolean;
  readonly subscriptions: SubscriptionTable;
}

export interface CheckedRequest {
  readonly violations: readonly Violation[];
  /** The request to serve; undefined when a violation makes it impossible to serve. */
  readonly subscriptionRequest: SubscriptionRequest | undefined;
}

/** Violations the hub tolerates: it serves the request anyway. */
const TOLERATED_CODES: ReadonlySet<RequestViolationCode> = new Set<RequestViolationCode>([
  'url-with-fragment',
  'lease-seconds',
  'secret-empty',
  'secret-over-plain-http',
  'callback-shared',
]);

type Finding = Pick<Violation, 'message'> & { readonly code: RequestViolationCode };

const finding = (code: RequestViolationCode, ...values: readonly [value?: string, other?: string]): Finding => ({
  code,
  message: violationMessage(code, ...values),
});

/** Checks a request to the hub against WebSub section 5.1 and PROTOCOL S1. */
export function checkRequest(request: ReceivedRequest, context: CheckContext): CheckedRequest {
  const findings = findingsOf(request, context);
  const violations = findings.map(({ code, message }) => ({ code, message, request }));
  const isServable = findings.every(({ code }) => TOLERATED_CODES.has(code));
  return { violations, subscriptionRequest: isServable ? toSubscriptionRequest(request.form) : undefined };
}

function findingsOf(request: ReceivedRequest, context: CheckContext): Finding[] {
  const { form, method } = request;
  if (method !== 'POST') return [finding('not-a-post', method)];
  const encoding = encodingFindings(request);
  if (encoding.length > 0) return encoding;
  return [
    ...presenceFindings(form, context.protocol),
    ...urlFindings(form, 'callback'),
    ...urlFindings(form, 'topic'),
    ...leaseFindings(form),
    ...secretFindings(request, context.isSecure),
    ...subscriptionFindings(form, context.subscriptions),
  ];
}

function encodingFindings({ headers, body }: ReceivedRequest): Finding[] {
  const contentType = headers.get('content-type') ?? 'none';
  const [mediaType, ...parameters] = contentType
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  const findings: Finding[] = [];
  if (mediaType !== 'application/x-www-form-urlencoded') {
    findings.push(finding('content-type', contentType));
  }
  if (charset !== undefined && charset.replaceAll('"', '') !== 'utf-8') {
    findings.push(finding('not-utf-8', charset));
  } else if (!isUtf8(percentDecoded(body))) {
    findings.push(finding('not-utf-8', 'another charset'));
  }
  return findings;
}

function percentDecoded(body: Uint8Array): Buffer {
  const decoded = Buffer.from(body)
    .toString('latin1')
    .replaceAll(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(decoded, 'latin1');
}

const parameters = ['callback', 'mode', 'topic'] as const;

function presenceFindings(form: URLSearchParams, protocol: HubProtocol): Finding[] {
  const missing = parameters.filter((name) => !form.get(`hub.${name}`)).map((name) => finding(`missing-${name}`));
  const repeated = [...parameters, 'lease_seconds', 'secret', 'verify_token']
    .filter((name) => form.getAll(`hub.${name}`).length > 1)
    .map((name) => finding('duplicate-parameter', `hub.${name}`));
  return [...missing, ...repeated, ...modeFindings(form), ...verifyFindings(form, protocol)];
}

function modeFindings(form: URLSearchParams): Finding[] {
  const mode = form.get('hub.mode');
  return !mode || isMode(mode) ? [] : [finding('unknown-mode', mode)];
}

function verifyFindings(form: URLSearchParams, protocol: HubProtocol): Finding[] {
  const preferences = form.getAll('hub.verify');
  if (preferences.length === 0) {
    return protocol === 'websub' ? [] : [finding('missing-verify')];
  }
  const unknown = preferences.find((preference) => !isVerify(preference));
  return unknown === undefined ? [] : [finding('unknown-verify', unknown)];
}

function urlFindings(form: URLSearchParams, name: 'callback' | 'topic'): Finding[] {
  const value = form.get(`hub.${name}`);
  if (!value) return [];
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    return [finding(`${name}-not-a-url`, value)];
  }
  return value.includes('#') ? [finding('url-with-fragment', `hub.${name}`)] : [];
}

function leaseFindings(form: URLSearchParams): Finding[] {
  const lease = form.get('hub.lease_seconds');
  return lease === null || isLease(lease) ? [] : [finding('lease-seconds', lease)];
}

function secretFindings({ form, headers }: ReceivedRequest, secure: boolean): Finding[] {
  const secret = form.get('hub.secret');
  if (secret === null) return [];
  const findings: Finding[] = [];
  const bytes = Buffer.byteLength(secret);
  if (bytes === 0) findings.push(finding('secret-empty'));
  if (bytes >= 200) findings.push(finding('secret-too-long', String(bytes)));
  const host = headers.get('host') ?? '';
  if (!secure && headers.get('x-forwarded-proto') !== 'https' && !isLoopbackHost(host)) {
    findings.push(finding('secret-over-plain-http', host));
  }
  return findings;
}

function isLoopbackHost(host: string): boolean {
  const { hostname } = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : { hostname: '' };
  return /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}

function subscriptionFindings(form: URLSearchParams, subscriptions: SubscriptionTable): Finding[] {
  const topic = form.get('hub.topic');
  const callback = form.get('hub.callback');
  if (!topic || !callback) return [];
  if (form.get('hub.mode') === 'unsubscribe') {
    return subscriptions.wasRequested({ topic, callback }) ? [] : [finding('unsubscribe-unknown', topic)];
  }
  const other = subscriptions.live().find((one) => one.callback === callback && one.topic !== topic);
  return other ? [finding('callback-shared', topic, other.topic)] : [];
}

const isMode = (mode: string): boolean => mode === 'subscribe' || mode === 'unsubscribe';
const isVerify = (verify: string): verify is 'async' | 'sync' => verify === 'async' || verify === 'sync';
const isLease = (lease: string): boolean => /^0*[1-9]\d*$/.test(lease);

/** Builds the subscription request from a form that passed the checks. */
function toSubscriptionRequest(form: URLSearchParams): SubscriptionRequest {
  const parameter = (name: string): string => form.get(`hub.${name}`) ?? '';
  return {
    mode: parameter('mode') === 'unsubscribe' ? 'unsubscribe' : 'subscribe',
    topic: parameter('topic'),
    callback: parameter('callback'),
    leaseSeconds: isLease(parameter('lease_seconds')) ? Number(parameter('lease_seconds')) : undefined,
    secret: parameter('secret') || undefined,
    verify: form.getAll('hub.verify').find(isVerify),
    verifyToken: form.get('hub.verify_token') ?? undefined,
  };
}
