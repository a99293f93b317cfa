import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { describe, expect, test, vi } from 'vitest';
import { isRunning, startTimeOf, thisProcess } from '../../../src/store/owner/process-identity.js';

describe('the identity of a process', () => {
  test('contains its pid and host, and is the same each time', () => {
    const identity = thisProcess();
    expect(identity.pid).toBe(process.pid);
    expect(identity.host.startsWith(hostname())).toBe(true);
    expect(thisProcess()).toEqual(identity);
  });

  test.runIf(process.platform === 'linux')('tells two processes apart by when they started, on Linux', () => {
    expect(startTimeOf(process.pid)).toMatch(/^[0-9a-f-]{36} \d+$/);
    expect(startTimeOf(process.ppid)).not.toBe(startTimeOf(process.pid));
    expect(startTimeOf(2 ** 22 - 1)).toBeUndefined();
  });

  test('shows whether the process has ended', async () => {
    expect(isRunning(process.pid)).toBe(true);
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    expect(isRunning(child.pid ?? 0)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(isRunning(child.pid ?? 0)).toBe(false);
  });

  test.runIf(process.platform === 'linux')(
    'shows that a process has ended although its parent has not reaped it',
    async () => {
      // It ends after the exec. Before that the shell might reap it.
      const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
      const [output] = await once(parent.stdout, 'data');
      const zombie = Number(String(output));
      await vi.waitFor(() => {
        expect(isRunning(zombie)).toBe(false);
      });
      expect(() => process.kill(zombie, 0)).not.toThrow();
      parent.kill('SIGKILL');
    },
  );

  test('shows that a process of another user is running', () => {
    const denied = Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw denied;
    });
    expect(isRunning(process.pid)).toBe(true);
    kill.mockRestore();
  });
});
