import { parseFeed } from 'feedsmith';
import { describe, expect, it } from 'vitest';
import { coresOf } from './cores.js';
import { readAnswerHead } from './load/answer-head.js';
import { readOptions, UsageError } from './options.js';
import { atom20k, feed20k, json1m, json2k, youtube2k } from './payloads.js';
import { floorOf, rowsFor, type Selection } from './rows.js';
import { connectionsOf, rowName } from './scenario.js';
import { scenarios } from './scenarios.js';
import { compareRounds, median, percentile } from './statistics.js';

describe('in the statistics', () => {
  it('the median of an odd number of values is the middle value, in any order', () => {
    expect(median([10, 9, 1, 100, 2])).toBe(9);
    expect(median([7])).toBe(7);
  });

  it('the median of an even number of values is the mean of the two middle values', () => {
    expect(median([4, 1, 3, 100])).toBe(3.5);
  });

  it('the p99 of 1,000 values is the 990th value, and the p99 of few values is the largest', () => {
    const thousand = Float64Array.from({ length: 1000 }, (_, index) => index + 1);
    expect(percentile(thousand, 0.99)).toBe(990);
    expect(percentile(thousand, 1)).toBe(1000);
    expect(percentile([1, 2, 3], 0.99)).toBe(3);
    expect(percentile([1, 2, 3], 0)).toBe(1);
  });

  it('median and percentile throw without values', () => {
    expect(() => percentile([], 0.99)).toThrow(RangeError);
    expect(() => median([])).toThrow(RangeError);
  });

  it('rows are compared round by round, so that a slow round counts against neither of them', () => {
    expect(compareRounds([9, 45, 9], [10, 50, 10])).toEqual({ median: 0.9, lowest: 0.9, highest: 0.9 });
    expect(compareRounds([10, 30, 20], [10, 10, 10])).toEqual({ median: 2, lowest: 1, highest: 3 });
    expect(() => compareRounds([1, 2], [1])).toThrow(RangeError);
  });
});

describe('the harness', () => {
  const select = (only: readonly string[], options: { quick?: boolean; peers?: boolean } = {}): Selection =>
    rowsFor(scenarios, { only, quick: false, peers: true, ...options });

  it('has payloads of exactly 2 KiB, 20 KiB and 1 MiB in the stated format', () => {
    expect(json2k.bytes.byteLength).toBe(2048);
    expect(json1m.bytes.byteLength).toBe(1_048_576);
    for (const { bytes } of [json2k, json1m]) expect(JSON.parse(bytes.toString())).toHaveProperty('text');
    expect(atom20k.bytes.byteLength).toBe(20_480);
    expect(atom20k.bytes.toString()).toMatch(/^<\?xml.*<\/feed>$/s);
    expect(youtube2k.bytes.byteLength).toBe(2048);
    expect(feed20k.bytes.byteLength).toBe(20_480);
    for (const { bytes, entries } of [youtube2k, feed20k]) {
      expect(parseFeed(bytes.toString())).toMatchObject({ format: 'atom', feed: { entries: { length: entries } } });
    }
  });

  it('selects the named rows with the rows they are compared with, and rejects an unknown name', () => {
    const names = (...only: string[]): string[] => select(only).rows.map(rowName);
    expect(names('inline/2k-json')).toEqual(['floor/2k-json', 'inline/2k-json']);
    expect(names('inline-100k')).toEqual(['inline-10/2k-json', 'inline-100k/2k-json']);
    expect(names('floor')).toEqual(['floor/2k-json', 'floor/20k-atom', 'floor/1m-json']);
    expect(names('queued')).toEqual(['floor/2k-json', 'queued/2k-json']);
    expect(names('queued-1', 'queued-256')).toEqual([
      'floor-1/2k-json',
      'queued-1/2k-json',
      'floor-256/2k-json',
      'queued-256/2k-json',
    ]);
    expect(names('start')).toEqual([]);
    expect([...select(['start', 'floor']).figures]).toEqual(['start']);
    expect([...select([]).figures]).toEqual([
      'start',
      'idle',
      'renewal',
      'heap',
      'memory',
      'paced',
      'first-start',
      'discovery',
      'entries',
    ]);
    expect(names()).toHaveLength(scenarios.flatMap(({ payloads }) => payloads).length);
    expect(() => names('inlien')).toThrow(/There is no "inlien": .*inline/);
  });

  it('reports what a quick run leaves out, but runs everything that is named', () => {
    const { rows, figures, leftOut } = select([], { quick: true });
    const included = new Set<string>([...rows.map(rowName), ...figures]);
    const fullRun = select([]);
    expect(leftOut).toEqual([...fullRun.rows.map(rowName), ...fullRun.figures].filter((name) => !included.has(name)));
    expect(leftOut).toEqual(expect.arrayContaining(['inline-100k/2k-json', 'renewal']));
    for (const row of rows)
      expect(row.scenario.comparedWith ?? 'floor').toBeOneOf(rows.map((other) => other.scenario.name));
    expect(select(['inline-100k', 'renewal'], { quick: true })).toMatchObject({
      rows: [{ scenario: { name: 'inline-10' } }, { scenario: { name: 'inline-100k' } }],
      leftOut: [],
    });
  });

  it('measures other packages unless told not to, and reports the left-out rows', () => {
    const peers = ['h3', 'fastify', 'pubsubhubbub', 'express'].map((name) => `${name}/2k-json`);
    expect(select([]).rows.map(rowName)).toEqual(expect.arrayContaining(peers));
    const withoutPeers = select([], { peers: false });
    expect(withoutPeers.rows.filter(({ scenario }) => scenario.isPeer)).toEqual([]);
    expect(withoutPeers.leftOut).toEqual(expect.arrayContaining(peers));
    expect(select(['inline/2k-json', 'express/2k-json'], { peers: false })).toMatchObject({
      rows: [{ scenario: { name: 'floor' } }, { scenario: { name: 'inline' } }],
      leftOut: ['express/2k-json'],
    });
  });

  it('groups compared rows by payload, then by requests in flight', () => {
    const groups = select([]).rows.map((row) => `${row.payload.name}, ${connectionsOf(row, 64)}`);
    expect(groups.filter((group, index) => group !== groups[index - 1])).toEqual([
      '2k-json, 64',
      '2k-json, 1',
      '2k-json, 8',
      '2k-json, 256',
      '2k-json, 512',
      '20k-atom, 64',
      '1m-json, 8',
    ]);
  });

  it('parses its options, and rejects invalid ones', () => {
    expect(readOptions([])).toMatchObject({ rounds: 9, seconds: 3, json: false, only: [], profiles: undefined });
    expect(readOptions(['--quick', '--json', 'out.json'])).toMatchObject({ rounds: 5, json: 'out.json' });
    expect(readOptions([])).toMatchObject({ many: 100_000, renewals: 10_000, deliveries: 1_000_000 });
    expect(readOptions(['--quick'])).toMatchObject({ many: 20_000, renewals: 1_000, deliveries: 200_000 });
    expect(readOptions(['--only', 'a', '--only', 'b', '--json', '--rounds', '2'])).toMatchObject({
      only: ['a', 'b'],
      json: true,
      rounds: 2,
    });
    expect(readOptions(['--help'])).toBeUndefined();
    for (const invalidArgs of [['--rounds', '0'], ['--rounds', '1.5'], ['--seconds', 'x'], ['--fast'], ['out.json']]) {
      expect(() => readOptions(invalidArgs)).toThrow(UsageError);
    }
  });

  it('compares only servers with the same number of requests in flight', () => {
    const { rows } = select([]);
    for (const row of rows) expect(connectionsOf(floorOf(rows, row) ?? row, 64)).toBe(connectionsOf(row, 64));
  });

  it('reads the head of a response once it is complete', () => {
    const head = 'HTTP/1.1 202 Accepted\r\ncache-control: no-store\r\nContent-Length: 3\r\n\r\n';
    expect(readAnswerHead(Buffer.from(head.slice(0, -1)))).toBeUndefined();
    expect(readAnswerHead(Buffer.from(`${head}abc`))).toEqual({ status: 202, size: head.length + 3 });
    const empty = 'HTTP/1.1 204 No Content\r\n\r\n';
    expect(readAnswerHead(Buffer.from(empty))).toEqual({ status: 204, size: empty.length });
    expect(() => readAnswerHead(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))).toThrow(/no Content-Length/);
  });

  it("parses the kernel's lists of cores", () => {
    expect(coresOf('0-3,8')).toEqual([0, 1, 2, 3, 8]);
    expect(coresOf('5')).toEqual([5]);
    expect(coresOf('')).toEqual([]);
  });
});
