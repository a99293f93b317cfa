import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { loadOptionalPeer } from '../../../src/store/keyv/optional-peer.js';
import { failureOf } from '../../kit/failure-of.js';

describe("a store's adapter", () => {
  test('that is not installed throws a StoreError with the install command', async () => {
    const name: string = '@keyv/no-such-adapter';
    const missing = Object.assign(new Error(`Cannot find package '${name}' imported from here`), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
    const error = await failureOf(loadOptionalPeer(name, () => Promise.reject(missing)));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toBe(
      'This store needs the package @keyv/no-such-adapter, which is not installed. Run: npm install @keyv/no-such-adapter',
    );
    expect(error.cause).toBe(missing);
  });

  test('that is installed but broken throws a StoreError with the reason', async () => {
    const broken = Object.assign(new Error("Cannot find module 'bindings'"), { code: 'MODULE_NOT_FOUND' });
    const error = await failureOf(loadOptionalPeer('@keyv/sqlite', () => Promise.reject(broken)));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toBe("The package @keyv/sqlite could not be loaded: Cannot find module 'bindings'");
  });
});
