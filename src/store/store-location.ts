import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigurationError } from '../errors.js';
import { splitNamespace } from './store-namespace.js';

/**
 * The location that a store's URI names. `label` is for logs and messages: absolute, passwords masked, with the
 * namespace. Records of different namespaces are separate. Without a namespace, records have the keys of the default
 * namespace.
 */
export type StoreLocation =
  | { readonly type: 'memory'; readonly label: string; readonly namespace?: undefined }
  | { readonly type: 'lmdb'; readonly path: string; readonly label: string; readonly namespace?: string }
  | { readonly type: 'sqlite'; readonly path: string; readonly label: string; readonly namespace?: string }
  | ServerLocation;

/** A database server. */
export interface ServerLocation {
  readonly type: 'redis' | 'postgres' | 'mysql';
  /** The original URI for the driver, without the namespace. */
  readonly uri: string;
  readonly label: string;
  /** Secrets to mask in messages. */
  readonly secrets: readonly string[];
  readonly namespace?: string;
}

/** Matches parameters at the end of a path: `?name=value`. */
const TRAILING_PARAMETERS = /\?[\w-]+=[^/]*$/;

const ACCEPTED_FORMS =
  "'memory', 'lmdb://directory', 'redis://host', 'rediss://host', 'postgres://host/database', 'mysql://host/database', " +
  "'sqlite://file', or a Keyv. A URI may end with '?namespace=name'";

/**
 * Parses a store's URI.
 *
 * @param directory the directory that relative paths are resolved against.
 * @throws ConfigurationError for an invalid URI. Its message names the URI with credentials masked.
 */
export function parseStoreLocation(uri: string, directory: string): StoreLocation {
  if (uri === 'memory') return { type: 'memory', label: 'memory' };
  const scheme = /^([a-z]+):\/\//i.exec(uri)?.[1]?.toLowerCase();
  switch (scheme) {
    case 'lmdb':
    case 'sqlite':
      return parsePath(uri, scheme, directory);
    case 'redis':
    case 'rediss':
      return parseServer(uri, 'redis');
    case 'postgres':
    case 'postgresql':
      return parseServer(uri, 'postgres');
    case 'mysql':
      return parseServer(uri, 'mysql');
    default:
      throw invalidStoreError(uri, 'has no known scheme');
  }
}

function parsePath(uri: string, type: 'lmdb' | 'sqlite', directory: string): StoreLocation {
  const split = splitNamespace(uri, uri.lastIndexOf('?'));
  if (split.problem !== undefined) throw invalidStoreError(uri, split.problem);
  if (split.namespace !== undefined && split.hasOtherParameters)
    throw invalidStoreError(uri, 'has parameters other than namespace');
  if (split.namespace === undefined && TRAILING_PARAMETERS.test(uri)) {
    throw invalidStoreError(uri, 'has an unknown parameter (write a question mark in a path as %3F)');
  }
  const encoded = split.uri.slice(type.length + 3);
  let decoded: string;
  try {
    decoded = decodeURIComponent(encoded);
  } catch {
    throw invalidStoreError(uri, 'is not correctly percent-encoded');
  }
  if (decoded === '') throw invalidStoreError(uri, 'has no path');
  if (type === 'sqlite' && decoded === ':memory:') throw invalidStoreError(uri, "is not a file (use 'memory')");
  const withoutDriveSlash = decoded.replace(/^\/(?=[A-Za-z]:[\\/])/, '');
  const path = isAbsolute(withoutDriveSlash) ? withoutDriveSlash : resolve(directory, decoded);
  return { type, path, ...withNamespace(pathToFileURL(path).href.replace(/^file:/, `${type}:`), split.namespace) };
}

function parseServer(uriText: string, type: ServerLocation['type']): ServerLocation {
  const { uri, namespace, problem } = splitNamespace(uriText, uriText.indexOf('?'));
  if (problem !== undefined) throw invalidStoreError(uriText, problem);
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  // A PostgreSQL URI may omit the host: the driver then reads its environment variables.
  if (url === undefined || (url.hostname === '' && type !== 'postgres'))
    throw invalidStoreError(uriText, 'is not a URL with a host');
  const user = url.username + (url.password === '' ? '' : ':***');
  const label = `${url.protocol}//${user === '' ? '' : `${user}@`}${url.host}${url.pathname}`;
  const secrets = [url.password, decodeLeniently(url.password), url.searchParams.get('password') ?? ''];
  return { type, uri, ...withNamespace(label, namespace), secrets: secrets.filter((secret) => secret !== '') };
}

function withNamespace(
  label: string,
  namespace: string | undefined,
): { readonly label: string; readonly namespace?: string } {
  return namespace === undefined ? { label } : { label: `${label}?namespace=${namespace}`, namespace };
}

function decodeLeniently(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalidStoreError(uri: string, why: string): ConfigurationError {
  const masked = uri.replace(/^([a-z]+:\/\/)?.*@/is, '$1***@').replace(/\?.*$/s, '?***');
  return new ConfigurationError(`store: "${masked}" ${why}. Use ${ACCEPTED_FORMS}.`);
}
