import { describe, expect, it } from 'vitest';
import { DocumentUrls, MAX_URL_LENGTH } from '../../../src/protocol/links/document-urls.js';

const urlOfLength = (length: number): string =>
  `https://example.com/${'a'.repeat(length - 'https://example.com/'.length)}`;

describe('URLs of one document (D12)', () => {
  it('D12 a document whose own URL is over 8 KiB causes a RangeError', () => {
    expect(() => new DocumentUrls(urlOfLength(MAX_URL_LENGTH + 1))).toThrow(RangeError);
    expect(new DocumentUrls(urlOfLength(MAX_URL_LENGTH)).documentUrl).toHaveLength(MAX_URL_LENGTH);
  });

  it('D12 a base over 8 KiB is ignored, as written or resolved', () => {
    const urls = new DocumentUrls('https://example.com/feed');
    expect(urls.base(urlOfLength(MAX_URL_LENGTH + 1))).toBe('https://example.com/feed');
    expect(urls.base(`/${'é'.repeat(5_000)}`, 'https://example.com/other/')).toBe('https://example.com/feed');
    expect(urls.base('/posts/', 'https://other.example/')).toBe('https://other.example/posts/');
    expect(urls.base('http://[', 'https://other.example/')).toBe('https://other.example/');
  });

  it('D12 a resolved URL over 8 KiB is dropped', () => {
    const urls = new DocumentUrls(urlOfLength(MAX_URL_LENGTH - 10));
    expect(urls.resolve('?short')?.href).toHaveLength(MAX_URL_LENGTH - 4);
    expect(urls.resolve('?longer-than-that')).toBeUndefined();
    expect(urls.resolve('/root')?.href).toBe('https://example.com/root');
  });

  it('D12 the total length of all resolved URLs is bounded', () => {
    const urls = new DocumentUrls('https://example.com/', 50);
    expect(urls.resolve('a')?.href).toBe('https://example.com/a');
    expect(urls.resolve('b')?.href).toBe('https://example.com/b');
    expect(urls.resolve('c')).toBeUndefined();
    expect(urls.resolve('d')).toBeUndefined();
  });

  it('a topic that is no URL resolves absolute links only', () => {
    const urls = new DocumentUrls('urn-like topic');
    expect(urls.resolve('https://example.com/a')?.href).toBe('https://example.com/a');
    expect(urls.resolve('a')).toBeUndefined();
  });
});
