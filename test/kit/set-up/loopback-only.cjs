'use strict';
// Refuses every look-up and connection beyond loopback, in this process and its worker threads.
// It appends each attempt to the file that WEBSUB_TEST_ATTEMPTS names. The code under test may swallow the error.
// It is CommonJS so that NODE_OPTIONS can load it into a child process before the process runs its own code.

const dgram = require('node:dgram');
const dns = require('node:dns');
const { appendFileSync } = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const net = require('node:net');

const QUERIES =
  'resolve resolve4 resolve6 resolveAny resolveCaa resolveCname resolveMx resolveNaptr resolveNs resolvePtr resolveSoa resolveSrv resolveTlsa resolveTxt reverse lookupService';
const isInstalled = Symbol.for('websub-subscriber.test.loopback-only');
/** The addresses of stubbed names, by name. A name with no addresses does not resolve. */
const stubs = new Map();

const loopback = new net.BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
// A connection to an unspecified address ends on this machine.
loopback.addAddress('0.0.0.0', 'ipv4');
loopback.addAddress('::', 'ipv6');

function isLoopback(host) {
  const name = String(host)
    .toLowerCase()
    .replace(/^\[|\]$|%.*$|\.$/g, '');
  const family = net.isIP(name);
  if (family !== 0) return loopback.check(name, family === 4 ? 'ipv4' : 'ipv6');
  return name === '' || name === 'localhost' || name.endsWith('.localhost');
}

/** Records an attempt. Returns the error for it. */
function recordAttempt(action, host) {
  const error = new Error(`${action} ${host} is refused: tests stay on this machine`);
  error.code = 'ERR_BEYOND_LOOPBACK';
  const from = (error.stack ?? '')
    .split('\n')
    .filter((line) => /^ {4}at /.test(line) && !/node:|loopback-only\.cjs/.test(line));
  const attempt = {
    what: `${action} ${host}`,
    pid: process.pid,
    argv: process.argv.slice(1, 3),
    from: from.slice(0, 4),
  };
  const file = process.env.WEBSUB_TEST_ATTEMPTS;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(attempt)}\n`);
  return error;
}

/** Replaces a function. The replacement has the properties of the original, such as its promisified form. */
function replace(holder, name, make) {
  const original = holder[name];
  if (typeof original !== 'function') return;
  const replacement = make(original);
  Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(original));
  holder[name] = replacement;
}

/** Wraps a DNS query for its first argument, a name. The result goes to a promise, or to the callback at the end. */
function guardedQuery(name, isPromised, isAllowed) {
  return (original) =>
    function (...args) {
      if (isAllowed(args[0])) return Reflect.apply(original, this, args);
      const error = recordAttempt(`dns.${name} of`, args[0]);
      const callback = args.at(-1);
      if (isPromised) return Promise.reject(error);
      if (typeof callback !== 'function') throw error;
      process.nextTick(callback, error);
      return undefined;
    };
}

/** Wraps `lookup`. It resolves the names that a test has stubbed. */
function guardedLookup(isPromised) {
  // The look-up of an IP address sends nothing.
  const isKnown = (host) => !host || net.isIP(String(host)) !== 0 || isLoopback(host);
  const query = guardedQuery('lookup', isPromised, isKnown);
  return (original) => {
    const lookup = query(original);
    return function (host, ...rest) {
      if (!stubs.has(host)) return Reflect.apply(lookup, this, [host, ...rest]);
      const addresses = stubs.get(host).map((address) => ({ address, family: net.isIP(address) }));
      const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND', hostname: host });
      const isAll = rest[0]?.all === true;
      if (isPromised && addresses.length === 0) return Promise.reject(error);
      if (isPromised) return Promise.resolve(isAll ? addresses : addresses[0]);
      const answer = isAll ? [null, addresses] : [null, addresses[0]?.address, addresses[0]?.family];
      process.nextTick(rest.at(-1), ...(addresses.length === 0 ? [error] : answer));
      return undefined;
    };
  };
}

/** Wraps a caller's own `lookup`. Its addresses must be loopback too. */
function checkedLookup(lookup, port) {
  return (host, options, callback) =>
    lookup(host, options, (error, result, ...rest) => {
      const addresses = Array.isArray(result) ? result.map(({ address }) => address) : [result];
      const remoteAddress = error ? undefined : addresses.find((address) => !isLoopback(address));
      if (remoteAddress === undefined) callback(error, result, ...rest);
      else callback(recordAttempt('connect to', `${remoteAddress}:${port} (${host})`));
    });
}

/** The options of `connect(options)`, `connect(port, host)`, `connect(path)`, or of node:net's array of them. */
function optionsOf([first, second]) {
  if (Array.isArray(first)) return first[0];
  if (typeof first === 'object' && first !== null) return first;
  const isPort = typeof first === 'number' || /^\d+$/.test(String(first));
  return isPort ? { port: first, host: typeof second === 'string' ? second : undefined } : { path: first };
}

function guardedConnect(connect) {
  return function (...args) {
    const options = optionsOf(args);
    const { host = 'localhost', port, path } = options;
    // A path names a local socket or a named pipe.
    if (typeof path === 'string') return Reflect.apply(connect, this, args);
    const lookup = options.lookup ?? (stubs.has(host) ? dns.lookup : undefined);
    const isStubbed = typeof lookup === 'function' && net.isIP(host) === 0;
    if (!isStubbed && !isLoopback(host)) {
      const error = recordAttempt('connect to', `${host}:${port}`);
      process.nextTick(() => this.destroy(error));
      return this;
    }
    if (!isStubbed) return Reflect.apply(connect, this, args);
    const guardedOptions = { ...options, lookup: checkedLookup(lookup, port) };
    if (Array.isArray(args[0])) args[0][0] = guardedOptions;
    else args[0] = guardedOptions;
    return Reflect.apply(connect, this, args);
  };
}

/** Wraps a function that sends datagrams. The address is the first string from the argument `first` on, if any. */
function guardedSend(name, first) {
  return (original) =>
    function (...args) {
      const address = args.slice(first).find((arg) => typeof arg === 'string');
      if (address !== undefined && !isLoopback(address)) throw recordAttempt(`dgram.${name} to`, address);
      return Reflect.apply(original, this, args);
    };
}

function installGuard() {
  replace(net.Socket.prototype, 'connect', guardedConnect);
  replace(dgram.Socket.prototype, 'send', guardedSend('send', 1));
  replace(dgram.Socket.prototype, 'connect', guardedSend('connect', 0));
  for (const [holder, isPromised] of [
    [dns, false],
    [dns.promises, true],
  ]) {
    replace(holder, 'lookup', guardedLookup(isPromised));
    for (const name of QUERIES.split(' ')) {
      replace(holder, name, guardedQuery(name, isPromised, isLoopback));
      replace(holder.Resolver.prototype, name, guardedQuery(name, isPromised, isLoopback));
    }
  }
  syncBuiltinESMExports();
}

module.exports = { stubs };

if (globalThis[isInstalled] !== true) {
  globalThis[isInstalled] = true;
  installGuard();
}
