import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { closingErrorAnswer } from '../../src/http/answer.js';
import { sendAnswer } from '../../src/http/node-answer.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function answerEarly(): { readonly request: IncomingMessage; readonly response: ServerResponse } {
  const request = new IncomingMessage(new Socket());
  request.headers['content-length'] = '1000000';
  const response = new ServerResponse(request);
  sendAnswer(request, response, closingErrorAnswer(413, 'too large'), { maxBodyBytes: 100 });
  return { request, response };
}

test('C6 a sender that got an early answer may continue to send, for 30 s at most', () => {
  const { request, response } = answerEarly();
  expect(response.headersSent).toBe(true);
  for (let elapsedMs = 0; elapsedMs < 29_700; elapsedMs += 900) {
    request.emit('data', Buffer.alloc(1));
    vi.advanceTimersByTime(900);
    expect(response.writableEnded).toBe(false);
  }
  request.emit('data', Buffer.alloc(1));
  vi.advanceTimersByTime(300);
  expect(response.writableEnded).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('C6 a sender that falls silent is disconnected after a second', () => {
  const { response } = answerEarly();
  vi.advanceTimersByTime(999);
  expect(response.writableEnded).toBe(false);
  vi.advanceTimersByTime(1);
  expect(response.writableEnded).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test.each(['end', 'close'])('C6 a sender is disconnected at once when its request emits `%s`', (event) => {
  const { request, response } = answerEarly();
  request.emit(event);
  expect(response.writableEnded).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('C6 a sender past the limit is no longer read, and is disconnected a second after its last accepted bytes', () => {
  const { request, response } = answerEarly();
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

test('C6 a request that was read completely gets its answer at once', () => {
  const request = new IncomingMessage(new Socket());
  request.complete = true;
  const response = new ServerResponse(request);
  sendAnswer(request, response, closingErrorAnswer(413, 'too large'));
  expect(response.writableEnded).toBe(true);
});
