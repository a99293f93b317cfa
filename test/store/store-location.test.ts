import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../src/errors.js';
import { parseStoreLocation } from '../../src/store/store-location.js';

const parse = (uri: string): ReturnType<typeof parseStoreLocation> => parseStoreLocation(uri, '/srv/app');

describe('the URI of a store', () => {
  test.each([
    ['lmdb://.websub', '/srv/app/.websub', 'lmdb:///srv/app/.websub'],
    ['LMDB://data/news', '/srv/app/data/news', 'lmdb:///srv/app/data/news'],
    ['lmdb:///var/lib/news', '/var/lib/news', 'lmdb:///var/lib/news'],
    ['lmdb:///var/my%20news/100%25', '/var/my news/100%', 'lmdb:///var/my%20news/100%25'],
    ['lmdb://../up', '/srv/up', 'lmdb:///srv/up'],
  ])('%s is a directory, relative to the working directory or absolute', (uri, path, label) => {
    expect(parse(uri)).toEqual({ type: 'lmdb', path, label });
  });

  test('sqlite://news.db is a file in the working directory', () => {
    expect(parse('sqlite://news.db')).toEqual({
      type: 'sqlite',
      path: '/srv/app/news.db',
      label: 'sqlite:///srv/app/news.db',
    });
  });

  test('memory is a store in memory', () => {
    expect(parse('memory')).toEqual({ type: 'memory', label: 'memory' });
  });

  test.each([
    ['redis://127.0.0.1:6379/2', 'redis', 'redis://127.0.0.1:6379/2', []],
    ['rediss://:s3cret@cache', 'redis', 'rediss://:***@cache', ['s3cret', 's3cret']],
    ['postgres://me:p%40ss@db/x?sslmode=require', 'postgres', 'postgres://me:***@db/x', ['p%40ss', 'p@ss']],
    ['postgresql:///x?host=/run/pg&password=hush', 'postgres', 'postgresql:///x', ['hush']],
    ['mysql://root:50%@db/x', 'mysql', 'mysql://root:***@db/x', ['50%', '50%']],
    ['mysql://root@db/x', 'mysql', 'mysql://root@db/x', []],
  ])('%s names a server, and the label hides its password', (uri, type, label, secrets) => {
    expect(parse(uri)).toEqual({ type, uri, label, secrets });
  });

  test.each([
    ['lmdb://.websub?namespace=news', { path: '/srv/app/.websub', label: 'lmdb:///srv/app/.websub?namespace=news' }],
    ['lmdb:///why%3F?namespace=a', { path: '/why?', label: 'lmdb:///why%3F?namespace=a' }],
    ['lmdb:///why?x?namespace=a', { path: '/why?x', label: 'lmdb:///why%3Fx?namespace=a' }],
    ['sqlite://news.db?namespace=A.b_c-1', { path: '/srv/app/news.db' }],
    ['redis://:s3cret@cache/1?namespace=news', { uri: 'redis://:s3cret@cache/1', secrets: ['s3cret', 's3cret'] }],
    ['postgres:///x?namespace=n&host=/run/a%20b', { uri: 'postgres:///x?host=/run/a%20b' }],
    ['postgres://db/x?sslmode=require&namespace=n', { uri: 'postgres://db/x?sslmode=require' }],
    ['mysql://root@db/x?ssl=true&namespace=n', { uri: 'mysql://root@db/x?ssl=true' }],
    ['redis://cache?%6eamespace=%6eews', { uri: 'redis://cache', label: 'redis://cache?namespace=news' }],
  ])('%s names a namespace, which the driver does not see', (uri, expected) => {
    const namespace = new URLSearchParams(uri.slice(uri.lastIndexOf('?'))).get('namespace');
    expect(parse(uri)).toMatchObject({
      namespace,
      label: expect.stringMatching(`\\?namespace=${namespace}$`),
      ...expected,
    });
  });

  test.each(['redis://cache?namespaces=x', 'postgres://db/x?sslmode=require'])('%s names no namespace', (uri) => {
    expect(parse(uri)).not.toHaveProperty('namespace');
  });

  test.each(['lmdb://.websub?namspace=a', 'lmdb://.websub?Namespace=x', 'sqlite://news.db?mode=ro'])(
    '%s is refused, because a path has no parameter other than the namespace',
    (uri) => {
      expect(() => parse(uri)).toThrow(/has an unknown parameter \(write a question mark in a path as %3F\)/);
    },
  );

  test.each([
    ['lmdb://.websub?namespace=', 'store: "lmdb://.websub?***" has the namespace ""; it must be 1 to 64 letters'],
    ['redis://cache?namespace=a:b', 'store: "redis://cache?***" has the namespace "a:b"; it must be 1 to 64 letters'],
    ['redis://cache?namespace=a+b', 'has the namespace "a b"'],
    ['redis://cache?namespace=%C3%A4', 'has the namespace "ä"'],
    [`mysql://db/x?namespace=${'n'.repeat(65)}`, `has the namespace "${'n'.repeat(65)}"`],
    ['lmdb://.websub?namespace=a&namespace=b', 'has several namespaces'],
    ['lmdb://.websub?namespace=a&x=1', 'has parameters other than namespace'],
    ['lmdb://?namespace=a', 'has no path'],
  ])('%s is refused because of its namespace', (uri, message) => {
    expect(() => parse(uri)).toThrow(ConfigurationError);
    expect(() => parse(uri)).toThrow(message);
  });

  test.each([
    ['', 'store: "" has no known scheme'],
    ['.websub', 'store: ".websub" has no known scheme'],
    ['Memory', 'store: "Memory" has no known scheme'],
    ['mongodb://me:secret@db/x', 'store: "mongodb://***@db/x" has no known scheme'],
    ['me:se/cr@t@db?password=secret', 'store: "***@db?***" has no known scheme'],
    ['lmdb://', 'store: "lmdb://" has no path'],
    ['lmdb://%zz', 'store: "lmdb://%zz" is not correctly percent-encoded'],
    ['sqlite://:memory:', 'store: "sqlite://:memory:" is not a file'],
    ['redis://', 'store: "redis://" is not a URL with a host'],
    ['redis://:pa/ss@host:6379', 'store: "redis://***@host:6379" is not a URL with a host'],
  ])('%s is refused with an error that masks credentials and names the accepted forms', (uri, message) => {
    expect(() => parse(uri)).toThrow(ConfigurationError);
    expect(() => parse(uri)).toThrow(message);
    expect(() => parse(uri)).toThrow("'lmdb://directory', 'redis://host'");
    expect(() => parse(uri)).not.toThrow(/secret|pa\/ss/);
  });
});
