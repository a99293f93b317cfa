import { afterEach, describe, expect, it, vi } from 'vitest';
import { handleSignals } from '../../../src/runtime/lifecycle/signals.js';
import { deferred } from '../../kit/fake-world.js';

const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
afterEach(() => {
  kill.mockClear();
});

function raised(): readonly unknown[] {
  return kill.mock.calls.map(([, signal]) => signal);
}

describe('handleSignals', () => {
  it('ends the process by the signal only when the last of several has stopped', async () => {
    const [first, second] = [deferred(), deferred()];
    const stops: string[] = [];
    handleSignals(() => {
      stops.push('first');
      return first.promise;
    });
    const off = handleSignals(() => {
      stops.push('second');
      return second.promise;
    });
    process.emit('SIGTERM', 'SIGTERM');
    expect(stops).toEqual(['first', 'second']);
    off();
    first.resolve();
    await first.promise;
    expect(raised()).toEqual([]);
    second.reject(new Error('it could not stop'));
    await vi.waitFor(() => expect(raised()).toEqual(['SIGTERM']));
    expect(process.listenerCount('SIGTERM')).toBe(0);
  });

  it('ends it at once at the second signal', () => {
    handleSignals(() => new Promise(() => {}));
    process.emit('SIGINT', 'SIGINT');
    expect(raised()).toEqual([]);
    process.emit('SIGTERM', 'SIGTERM');
    expect(raised()).toEqual(['SIGTERM']);
  });

  it('takes a signal that npm hands on once more for the same one', () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000);
    handleSignals(() => new Promise(() => {}));
    process.emit('SIGINT', 'SIGINT');
    clock.mockReturnValue(1_002);
    process.emit('SIGINT', 'SIGINT');
    expect(raised()).toEqual([]);
    clock.mockReturnValue(1_500);
    process.emit('SIGINT', 'SIGINT');
    expect(raised()).toEqual(['SIGINT']);
    clock.mockRestore();
  });

  it('leaves nothing behind when it is taken off', () => {
    const before = process.listenerCount('SIGINT');
    const offs = [handleSignals(async () => {}), handleSignals(async () => {})];
    for (const off of offs) off();
    expect(process.listenerCount('SIGINT')).toBeLessThanOrEqual(before);
    expect(process.listenerCount('SIGINT')).toBe(0);
  });
});
