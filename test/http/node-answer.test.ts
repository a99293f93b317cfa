import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { closingRefusal } from '../../src/http/answer.js';
import { sendAnswer } from '../../src/http/node-answer.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function answeredEarly(): { readonly request: IncomingMessage; readonly response: ServerResponse } {
  const request = new IncomingMessage(new Socket());
  request.headers['content-length'] = '1000000';
  const response = new ServerResponse(request);
  sendAnswer(request, response, closingRefusal(413, 'too large'), { maxBodyBytes: 100 });
  return { request, response };
}

test('C6 a sender that was answered early may go on while it sends, but not for ever', () => {
  const { request, response } = answeredEarly();
  expect(response.headersSent).toBe(true);
  for (let passed = 0; passed < 29_700; passed += 900) {
    request.emit('data', Buffer.alloc(1));
    vi.advanceTimersByTime(900);
    expect(response.writableEnded).toBe(false);
  }
  request.emit('data', Buffer.alloc(1));
  vi.advanceTimersByTime(300);
  expect(response.writableEnded).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('C6 a sender that falls silent is waited for a second', () => {
  const { response } = answeredEarly();
  vi.advanceTimersByTime(999);
  expect(response.writableEnded).toBe(false);
  vi.advanceTimersByTime(1);
  expect(response.writableEnded).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test.each(['end', 'close'])('C6 a sender that is done is not waited for: %s', (event) => {
  const { request, response } = answeredEarly();
  request.emit(event);
  expect(response.writableEnded).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('C6 of a sender that goes on past the limit nothing more is read, and it has a second to read the answer', () => {
  const { request, response } = answeredEarly();
  request.emit('data', Buffer.alloc(100));
  expect(request.isPaused()).toBe(false);
  vi.advanceTimersByTime(900);
  request.emit('data', Buffer.alloc(1));
  expect(request.isPaused()).toBe(true);
  vi.advanceTimersByTime(99);
  expect(response.writableEnded).toBe(false);
  vi.advanceTimersByTime(1);
  expect(response.writableEnded).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('C6 a request that was read whole is answered as any other', () => {
  const request = new IncomingMessage(new Socket());
  request.complete = true;
  const response = new ServerResponse(request);
  sendAnswer(request, response, closingRefusal(413, 'too large'));
  expect(response.writableEnded).toBe(true);
});
