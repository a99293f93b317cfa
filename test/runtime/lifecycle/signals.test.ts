import { afterEach, describe, expect, it, vi } from 'vitest';
import { handleSignals } from '../../../src/runtime/lifecycle/signals.js';
import { deferred } from '../../kit/deferred.js';

const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
afterEach(() => {
  kill.mockClear();
});

function raisedSignals(): readonly unknown[] {
  return kill.mock.calls.map(([, signal]) => signal);
}

describe('handleSignals', () => {
  it('raises the signal again only once all runtimes have stopped', async () => {
    const [first, second] = [deferred(), deferred()];
    const stops: string[] = [];
    handleSignals(() => {
      stops.push('first');
      return first.promise;
    });
    const remove = handleSignals(() => {
      stops.push('second');
      return second.promise;
    });
    process.emit('SIGTERM', 'SIGTERM');
    expect(stops).toEqual(['first', 'second']);
    remove();
    first.resolve();
    await first.promise;
    expect(raisedSignals()).toEqual([]);
    second.reject(new Error('it could not stop'));
    await vi.waitFor(() => expect(raisedSignals()).toEqual(['SIGTERM']));
    expect(process.listenerCount('SIGTERM')).toBe(0);
  });

  it('raises a second signal again at once', () => {
    handleSignals(() => new Promise(() => {}));
    process.emit('SIGINT', 'SIGINT');
    expect(raisedSignals()).toEqual([]);
    process.emit('SIGTERM', 'SIGTERM');
    expect(raisedSignals()).toEqual(['SIGTERM']);
  });

  it('ignores a signal that npm forwards a second time', () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000);
    handleSignals(() => new Promise(() => {}));
    process.emit('SIGINT', 'SIGINT');
    clock.mockReturnValue(1_002);
    process.emit('SIGINT', 'SIGINT');
    expect(raisedSignals()).toEqual([]);
    clock.mockReturnValue(1_500);
    process.emit('SIGINT', 'SIGINT');
    expect(raisedSignals()).toEqual(['SIGINT']);
    clock.mockRestore();
  });

  it('leaves no signal listener once all handlers are removed', () => {
    const listenersBefore = process.listenerCount('SIGINT');
    const removers = [handleSignals(async () => {}), handleSignals(async () => {})];
    for (const remove of removers) remove();
    expect(process.listenerCount('SIGINT')).toBeLessThanOrEqual(listenersBefore);
    expect(process.listenerCount('SIGINT')).toBe(0);
  });
});
