import { describe, expect, it } from 'vitest';
import { ConfigurationError } from 'websub-subscriber';
import { silentLogger } from '../../src/logger.js';
import { loggerFrom } from '../../src/runtime/default-logger.js';
import { recordingLogger } from '../http/recording-logger.js';

describe('loggerFrom', () => {
  it('takes the logger it is given, or none', () => {
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
  ])('makes a pino of the level %j', (level, made) => {
    expect(loggerFrom(undefined, level)).toMatchObject({ level: made });
  });

  it('refuses a level that pino does not know', () => {
    const make = (): unknown => loggerFrom(undefined, 'loud');
    expect(make).toThrow(ConfigurationError);
    expect(make).toThrow(
      'The environment: LOG_LEVEL is "loud"; it must be one of trace, debug, info, warn, error, fatal, silent.',
    );
  });
});
