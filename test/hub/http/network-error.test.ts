import { describe, expect, it } from 'vitest';
import { networkErrorMessage } from '../../../src/hub/http/network-error.js';

describe('the message of the network error', () => {
  it.each([
    [new Error('no route'), 'no route'],
    [new AggregateError([new Error('one'), new Error('two')]), 'one, two'],
    [new AggregateError([], 'none'), 'none'],
    [Object.assign(new Error(''), { code: 'ECONNRESET' }), 'ECONNRESET'],
    [new TypeError(''), 'TypeError'],
    ['text', 'text'],
  ])('%s is %j', (error, message) => {
    expect(networkErrorMessage(error)).toBe(message);
  });
});
