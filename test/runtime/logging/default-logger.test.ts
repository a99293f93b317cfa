import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from 'websub-subscriber';
import { silentLogger } from '../../../src/logger.js';
import { loggerFrom } from '../../../src/runtime/logging/default-logger.js';
import { recordingLogger } from '../../kit/recording-logger.js';

describe('loggerFrom', () => {
  it("returns the user's logger, or the silent logger for `false`", () => {
    const logger = recordingLogger();
    expect(loggerFrom(logger, 'nonsense')).toBe(logger);
    expect(loggerFrom(false, undefined)).toBe(silentLogger);
    expect(silentLogger.info('nothing')).toBeUndefined();
  });

  it.each([
    [undefined, 'info'],
    ['', 'info'],
    ['WARN', 'warn'],
    ['silent', 'silent'],
  ])('creates a pino logger for the level %j', (level, expected) => {
    expect(loggerFrom(undefined, level)).toMatchObject({ level: expected });
  });

  it('refuses a level that pino does not know', () => {
    const create = (): unknown => loggerFrom(undefined, 'loud');
    expect(create).toThrow(ConfigurationError);
    expect(create).toThrow(
      'The environment: LOG_LEVEL is "loud"; it must be one of trace, debug, info, warn, error, fatal, silent.',
    );
  });

  it('redacts secrets and seal keys anywhere in logged options', async () => {
    const module = new URL('../../../src/runtime/logging/default-logger.ts', import.meta.url);
    const options = { secret: 'shown 1', security: { sealKey: 'shown 2' }, env: { WEBSUB_SEAL_KEY: 'shown 3' } };
    const script = `const { loggerFrom } = await import('${module.href}');
      loggerFrom(undefined, 'info').info(${JSON.stringify({ options, sealKey: 'shown 4' })}, 'said');`;
    const args = ['--import', '@oxc-node/core/register', '--input-type=module', '-e', script];
    const cwd = fileURLToPath(new URL('../../..', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd });
    expect(stdout).toContain('"msg":"said"');
    expect(stdout.match(/\[redacted\]/g)).toHaveLength(4);
    expect(stdout).not.toContain('shown');
  });
});
