import { spawn, spawnSync } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { onTestFinished } from 'vitest';

/** Whether a Redis of a test's own can be started. Where CI is set it has to be there: tests then run and fail. */
export function canStartRedis(): boolean {
  const isInstalled = spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
  if (!isInstalled) console.warn('SKIPPED: redis-server is not installed.');
  return isInstalled || process.env['CI'] === 'true';
}

/** Starts a Redis that keeps nothing on the disk, with settings such as `--maxmemory 10mb`. Resolves to its URI. */
export async function ownRedis(...settings: string[]): Promise<string> {
  const port = String(await freePort());
  const fixed = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--daemonize', 'no'];
  const child = spawn('redis-server', [...fixed, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject).once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (/ready to accept connections/i.test(said)) resolve();
    });
  });
  return `redis://127.0.0.1:${port}`;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is one.
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
