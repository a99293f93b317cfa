'use strict';
// Refuses every look-up and connection beyond loopback in the process that loads it, and in its worker threads.
// Each attempt becomes a line of the file that WEBSUB_TEST_ATTEMPTS names, also when the code under test swallows the error.
// CommonJS, so that NODE_OPTIONS can load it into any child process before that process runs its own code.

const dgram = require('node:dgram');
const dns = require('node:dns');
const { appendFileSync } = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const net = require('node:net');

const ASKING =
  'resolve resolve4 resolve6 resolveAny resolveCaa resolveCname resolveMx resolveNaptr resolveNs resolvePtr resolveSoa resolveSrv resolveTlsa resolveTxt reverse lookupService';
const loaded = Symbol.for('websub-subscriber.test.loopback-only');
/** What names resolve to instead of being looked up, by name. No address: the name does not resolve. */
const names = new Map();

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

/** Notes an attempt. Returns the error that it fails with. */
function refused(what, host) {
  const error = new Error(`${what} ${host} is refused: tests stay on this machine`);
  error.code = 'ERR_BEYOND_LOOPBACK';
  const from = (error.stack ?? '')
    .split('\n')
    .filter((line) => /^ {4}at /.test(line) && !/node:|loopback-only\.cjs/.test(line));
  const attempt = { what: `${what} ${host}`, pid: process.pid, argv: process.argv.slice(1, 3), from: from.slice(0, 4) };
  const file = process.env.WEBSUB_TEST_ATTEMPTS;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(attempt)}\n`);
  return error;
}

/** Puts a function in the place of another one, which keeps its properties (such as how it is promisified). */
function replace(holder, name, make) {
  const original = holder[name];
  if (typeof original !== 'function') return;
  const replacement = make(original);
  Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(original));
  holder[name] = replacement;
}

/** A function that asks about its first argument, and gives its answer to its last one or as a promise. */
function asking(name, isPromised, isAllowed) {
  return (original) =>
    function (...args) {
      if (isAllowed(args[0])) return Reflect.apply(original, this, args);
      const error = refused(`dns.${name} of`, args[0]);
      const callback = args.at(-1);
      if (isPromised) return Promise.reject(error);
      if (typeof callback !== 'function') throw error;
      process.nextTick(callback, error);
      return undefined;
    };
}

/** A look-up that knows the names that a test has stubbed. */
function looking(isPromised) {
  // An address as text is not asked about: nothing leaves this machine for it.
  const isKnown = (host) => !host || net.isIP(String(host)) !== 0 || isLoopback(host);
  const ask = asking('lookup', isPromised, isKnown);
  return (original) => {
    const lookup = ask(original);
    return function (host, ...rest) {
      if (!names.has(host)) return Reflect.apply(lookup, this, [host, ...rest]);
      const found = names.get(host).map((address) => ({ address, family: net.isIP(address) }));
      const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND', hostname: host });
      const isAll = rest[0]?.all === true;
      if (isPromised && found.length === 0) return Promise.reject(error);
      if (isPromised) return Promise.resolve(isAll ? found : found[0]);
      const answer = isAll ? [null, found] : [null, found[0]?.address, found[0]?.family];
      process.nextTick(rest.at(-1), ...(found.length === 0 ? [error] : answer));
      return undefined;
    };
  };
}

/** What a look-up of the caller's own leads to is held to the same. */
function checked(lookup, port) {
  return (host, options, callback) =>
    lookup(host, options, (error, found, ...rest) => {
      const addresses = Array.isArray(found) ? found.map(({ address }) => address) : [found];
      const strange = error ? undefined : addresses.find((address) => !isLoopback(address));
      if (strange === undefined) callback(error, found, ...rest);
      else callback(refused('connect to', `${strange}:${port} (${host})`));
    });
}

/** `connect(options)`, `connect(port, host)`, `connect(path)`, or the array that node:net makes of these. */
function optionsOf([first, second]) {
  if (Array.isArray(first)) return first[0];
  if (typeof first === 'object' && first !== null) return first;
  const isPort = typeof first === 'number' || /^\d+$/.test(String(first));
  return isPort ? { port: first, host: typeof second === 'string' ? second : undefined } : { path: first };
}

function connecting(connect) {
  return function (...args) {
    const options = optionsOf(args);
    const { host = 'localhost', port, path } = options;
    // A path is a socket of this machine, or a named pipe.
    if (typeof path === 'string') return Reflect.apply(connect, this, args);
    const lookup = options.lookup ?? (names.has(host) ? dns.lookup : undefined);
    const isStubbed = typeof lookup === 'function' && net.isIP(host) === 0;
    if (!isStubbed && !isLoopback(host)) {
      const error = refused('connect to', `${host}:${port}`);
      process.nextTick(() => this.destroy(error));
      return this;
    }
    if (!isStubbed) return Reflect.apply(connect, this, args);
    const guarded = { ...options, lookup: checked(lookup, port) };
    if (Array.isArray(args[0])) args[0][0] = guarded;
    else args[0] = guarded;
    return Reflect.apply(connect, this, args);
  };
}

/** The address is the first text after the message, if there is one. */
function sending(name, first) {
  return (original) =>
    function (...args) {
      const address = args.slice(first).find((arg) => typeof arg === 'string');
      if (address !== undefined && !isLoopback(address)) throw refused(`dgram.${name} to`, address);
      return Reflect.apply(original, this, args);
    };
}

function load() {
  replace(net.Socket.prototype, 'connect', connecting);
  replace(dgram.Socket.prototype, 'send', sending('send', 1));
  replace(dgram.Socket.prototype, 'connect', sending('connect', 0));
  for (const [holder, isPromised] of [
    [dns, false],
    [dns.promises, true],
  ]) {
    replace(holder, 'lookup', looking(isPromised));
    for (const name of ASKING.split(' ')) {
      replace(holder, name, asking(name, isPromised, isLoopback));
      replace(holder.Resolver.prototype, name, asking(name, isPromised, isLoopback));
    }
  }
  syncBuiltinESMExports();
}

module.exports = { names };

if (globalThis[loaded] !== true) {
  globalThis[loaded] = true;
  load();
}
