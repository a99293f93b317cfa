import { spawn, spawnSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { unusedPort } from '../../kit/ports.js';

/** Whether a test can start its own Redis. In CI it must be installed: tests run and fail without it. */
export function canStartRedis(): boolean {
  const isInstalled = spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
  if (!isInstalled) console.warn('SKIPPED: redis-server is not installed.');
  return isInstalled || process.env['CI'] === 'true';
}

/** Starts a Redis without persistence, with settings such as `--maxmemory 10mb`. Resolves to its URI. */
export async function ownRedis(...settings: string[]): Promise<string> {
  const port = String(await unusedPort());
  const baseSettings = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--daemonize', 'no'];
  const child = spawn('redis-server', [...baseSettings, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject).once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (/ready to accept connections/i.test(output)) resolve();
    });
  });
  return `redis://127.0.0.1:${port}`;
}
