import { describe, expect, test } from 'vitest';
import { DocumentUrls } from '../../../src/protocol/links/document-urls.js';
import { createHtmlLinkReader } from '../../../src/protocol/links/html-links.js';
import { elementsIn } from './counted-parser.js';

const url = 'https://example.com/blog/';
const hubLink = '<link rel=hub href=https://hub.example/>';
const evilLink = '<link rel="hub self" href="https://evil.example/">';

function read(html: string, options?: { xhtml: boolean }) {
  const reader = createHtmlLinkReader(new DocumentUrls(url), options);
  const isDone = reader.write(html);
  return { isDone, ...reader.end() };
}

/** CPU time of `work`, in milliseconds. */
function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user / 1000;
}

describe('D3 links in HTML', () => {
  test('are read from the head in document order', () => {
    const html =
      '<!doctype html><html><head><meta charset=utf-8><title>x</title><link rel="SELF" href="/blog/">' +
      '<LINK REL="foo\tHub" HREF=" hub "><link rel=hub href=https://hub.example/></head><body>';
    expect(read(html)).toEqual({
      isDone: true,
      hubs: ['https://example.com/blog/hub', 'https://hub.example/'],
      selfs: [url],
    });
  });

  test.each([
    ['a body tag', '</head><body>'],
    ['an element of the body', '<p>'],
    ['text', 'Hello'],
  ])('are read until the head ends at %s', (_name, end) => {
    expect(read(`${hubLink}${end}${evilLink}`)).toEqual({ isDone: true, hubs: ['https://hub.example/'], selfs: [] });
  });

  test('between the head and the body belong to the head', () => {
    expect(read(`<head></head>\n<link rel=self href=.>${hubLink}<body>${evilLink}`)).toMatchObject({ selfs: [url] });
  });

  test('in the body count when the head names no hub', () => {
    const html = `<head><title>x</title></head><body><div>${hubLink}</div><link rel=self href=/topic></body>`;
    expect(read(html)).toEqual({ isDone: false, hubs: ['https://hub.example/'], selfs: ['https://example.com/topic'] });
  });

  test('include the self of the head, not the self of the body', () => {
    expect(read(`<link rel=self href=.><p>${hubLink}<link rel=self href=/evil>`)).toMatchObject({ selfs: [url] });
  });

  test('D6 include two different selfs of the head', () => {
    expect(read(`${hubLink}<link rel=self href=a><link rel=self href=b>`).selfs).toHaveLength(2);
  });

  test.each([
    `<!-- ${evilLink} -->`,
    `<!--> <!-- ${evilLink} -->`,
    `<script>'${evilLink}'</script>`,
    `<style>${evilLink}</style>`,
    `<title>${evilLink}</title>`,
    `<template><div>${evilLink}</div>${evilLink}</template>`,
    `<noscript>${evilLink}<img src=x>${evilLink}</noscript>`,
    `<noframes>${evilLink}</noframes>`,
  ])('are ignored inside %s, and the head continues after it', (decoy) => {
    expect(read(`<head>${decoy}${hubLink}</head><body>${evilLink}`)).toMatchObject({ hubs: ['https://hub.example/'] });
  });

  test.each([
    `<textarea>${evilLink}</textarea>`,
    `<iframe>${evilLink}</iframe>`,
    `<xmp>${evilLink}</xmp>`,
    `<noembed>${evilLink}</noembed>`,
    `<svg><g/>${evilLink}</svg>`,
    `<math>${evilLink}</math>`,
    '<a rel=hub href=https://evil.example/>x</a>',
    '<link rev=hub href=https://evil.example/>',
    '<link rel=hub>',
    '<link rel=hub href="">',
    '<link href=https://evil.example/>',
    '<link rel="hu b" href=https://evil.example/>',
    '&lt;link rel=hub href=https://evil.example/&gt;',
    `<form><form></form>x</form>`,
  ])('are ignored in the body: %s', (decoy) => {
    expect(read(`<body>${decoy}${hubLink}`)).toMatchObject({ hubs: ['https://hub.example/'], selfs: [] });
  });

  test('use the first base href, even if it comes later', () => {
    const base = '<base target=_top><base href="//base.example/a/"><base href="https://evil.example/">';
    expect(read(`<link rel=hub href=hub>${base}`).hubs).toEqual(['https://base.example/a/hub']);
  });

  test("use the page's URL when the base is no http URL", () => {
    expect(read('<base href="data:,x"><link rel=hub href=hub>').hubs).toEqual(['https://example.com/blog/hub']);
  });

  test('in the head do not use a base in the body', () => {
    const html = '<link rel=self href=feed><body><base href=https://base.example/><link rel=hub href=hub>';
    expect(read(html)).toMatchObject({ hubs: ['https://base.example/hub'], selfs: ['https://example.com/blog/feed'] });
  });

  test('have decoded character references', () => {
    expect(read('<link rel="&#104;ub" href="/?a=1&amp;b=2">').hubs).toEqual(['https://example.com/?a=1&b=2']);
  });

  test('in XHTML may be self-closing', () => {
    expect(read(`<title/><script src="x"/>${hubLink}`, { xhtml: true }).hubs).toEqual(['https://hub.example/']);
    expect(read(`<title/>${hubLink}`).hubs).toEqual([]);
  });

  test('after the end of the head are not read', () => {
    const reader = createHtmlLinkReader(new DocumentUrls(url));
    expect(reader.write(`${hubLink}<p>`)).toBe(true);
    expect(reader.write(evilLink)).toBe(true);
    expect(reader.end().hubs).toEqual(['https://hub.example/']);
  });

  test('are read until elements nest too deep', () => {
    const { isDone, hubs } = read(`${'<b>'.repeat(600)}${hubLink}`);
    expect({ isDone, hubs }).toEqual({ isDone: true, hubs: [] });
  });

  test('at the head of a long page cost a fraction of a page read to its end', () => {
    const body = `<body>${'<p>Hello'.repeat(650_000)}`;
    expect(elementsIn(() => read(hubLink + body)) * 10).toBeLessThan(elementsIn(() => read(body)));
  });

  test.each([
    '<b>',
    '<b></x>',
    '<form>',
    '</p>',
    '<link rel=hub>',
    '<link rel=x href=y>',
    '<svg>',
    '&amp',
    '<!--',
    '<x a="',
  ])('in a page of %s are read in time', (fragment) => {
    expect(cpuMs(() => read(`<body>${'<i>'.repeat(500)}${fragment.repeat(5_000_000 / fragment.length)}`))).toBeLessThan(
      5000,
    );
  });
});
