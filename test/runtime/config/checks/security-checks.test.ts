import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ConfigurationError, type SecurityOptions } from 'websub-subscriber';
import { checkOptions } from '../../../../src/runtime/config/check-options.js';
import { keyText, sealKey } from '../../../store/sealing/seal-keys.js';

const idsOf = (keys: SecurityOptions['sealKey'], env: NodeJS.ProcessEnv = {}): readonly string[] =>
  checkOptions({ security: { sealKey: keys } }, env).sealKeys.map(({ id }) => id);

function problem(keys: unknown, env: NodeJS.ProcessEnv = {}): string {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- without the compiler, a caller may pass any value
    idsOf(keys as string, env);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  throw new Error('The keys were accepted.');
}

const [firstId, secondId] = [sealKey(1).id, sealKey(2).id];

describe('security.sealKey', () => {
  it('is one key, or several keys in order', () => {
    expect(idsOf(keyText(1))).toEqual([firstId]);
    expect(idsOf(`${keyText(1)}\n`)).toEqual([firstId]);
    expect(idsOf([keyText(2), Buffer.alloc(32, 1).toString('base64url')])).toEqual([secondId, firstId]);
    expect(idsOf(undefined)).toEqual([]);
  });

  it('defaults to the keys in the environment, separated by commas or spaces', () => {
    const [firstKey, secondKey] = [keyText(1), keyText(2)];
    for (const text of [`${firstKey},${secondKey}`, `${firstKey} ${secondKey}`, ` ${firstKey} ,\n${secondKey}, `]) {
      expect(idsOf(undefined, { WEBSUB_SEAL_KEY: text })).toEqual([firstId, secondId]);
    }
    expect(checkOptions({}, { WEBSUB_SEAL_KEY: secondKey }).sealKeys.map(({ id }) => id)).toEqual([secondId]);
    expect(idsOf(undefined, { WEBSUB_SEAL_KEY: ' ' })).toEqual([]);
    expect(idsOf(firstKey, { WEBSUB_SEAL_KEY: secondKey })).toEqual([firstId]);
    expect(idsOf(firstKey, { WEBSUB_SEAL_KEY: 'wrong' })).toEqual([firstId]);
  });

  it.each([
    [Buffer.alloc(16, 7).toString('base64'), 'security.sealKey is a string of 24 characters'],
    ['my own passphrase', 'security.sealKey is a string of 17 characters'],
    ['', 'security.sealKey is a string of 0 characters'],
    [[keyText(1), Buffer.alloc(32, 7).toString('hex')], 'security.sealKey[1] is a string of 64 characters'],
    [[], 'security.sealKey is an empty list'],
    [32, 'security.sealKey is a number'],
    [null, 'security.sealKey is null'],
    [[Buffer.alloc(32, 7)], 'security.sealKey[0] is an object'],
  ])('cannot be %j, and the error says how to create a key but does not show this value', (keys, message) => {
    const error = problem(keys);
    expect(error).toContain(`startService: ${message}; it must be 32 random bytes in base64`);
    expect(error).toContain(`node -e "console.log(require('node:crypto').randomBytes(32).toString('base64'))"`);
    const texts = [keys].flat().filter((text) => typeof text === 'string' && text !== '');
    expect(texts.filter((text) => error.includes(String(text)))).toEqual([]);
  });

  it('names the environment variable if its value is invalid', () => {
    expect(problem(undefined, { WEBSUB_SEAL_KEY: 'wrong' })).toMatch(
      /^The environment: WEBSUB_SEAL_KEY is a string of 5/,
    );
    expect(problem(undefined, { WEBSUB_SEAL_KEY: `${keyText(1)} wrong` })).toMatch(/WEBSUB_SEAL_KEY\[1\] is a string/);
  });

  it('does not appear when the checked options are printed', () => {
    const checked = checkOptions({ security: { sealKey: keyText(1) } }, {});
    expect(checked.security).not.toHaveProperty('sealKey');
    const printed = `${JSON.stringify(checked)}${inspect(checked, { depth: Infinity, showHidden: true })}`;
    expect(printed).not.toContain(keyText(1).slice(0, 12));
  });
});
