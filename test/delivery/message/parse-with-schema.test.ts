import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import { UnrecoverableEventError, WebSubError } from '../../../src/errors.js';
import { parseWithSchema } from '../../../src/delivery/message/parse-with-schema.js';
import type { StandardSchema, StandardSchemaResult } from '../../../src/delivery/message/standard-schema.js';

const jsonOf = (value: unknown) => () => value;

function schemaOf<Output>(validate: StandardSchema<Output>['~standard']['validate']): StandardSchema<Output> {
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

const rejectionOf = async (parsing: Promise<unknown>): Promise<Error> =>
  parsing.then(
    () => new Error('it did not reject'),
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );

const VALUE = { id: 7, mail: 'a@example.com', tags: ['x'] };
const schemas = {
  zod: z.object({ id: z.number(), mail: z.email(), tags: z.array(z.string()) }),
  valibot: v.object({ id: v.number(), mail: v.pipe(v.string(), v.email()), tags: v.array(v.string()) }),
  arktype: type({ id: 'number', mail: 'string.email', tags: 'string[]' }),
};

describe.each(Object.entries(schemas))('C4 a schema of %s', (_library, schema) => {
  const standard: StandardSchema = schema;

  test('returns a matching value', async () => {
    expect(await parseWithSchema(standard, jsonOf(VALUE))).toEqual(VALUE);
  });

  test('causes an error with the paths and without the values', async () => {
    const wrong = { id: 123_456, mail: 'no mail, but a secret', tags: ['x', 98_765] };
    const error = await rejectionOf(parseWithSchema(standard, jsonOf({ ...wrong, id: 'a longer secret' })));
    expect(error).toBeInstanceOf(UnrecoverableEventError);
    expect(error).toBeInstanceOf(WebSubError);
    expect(error).toMatchObject({ code: 'ERR_WEBSUB_UNRECOVERABLE_EVENT' });
    expect(error.message).toMatch(/\bschema: .*\bid: /);
    expect(error.message).toMatch(/\bmail: /);
    expect(error.message).toMatch(/\btags\.1: /);
    expect(error.message).not.toMatch(/secret|98765/);
  });
});

test('the output has the output type of the schema', () => {
  expectTypeOf(() => parseWithSchema(schemas.zod, jsonOf({}))).returns.resolves.toEqualTypeOf<
    z.output<typeof schemas.zod>
  >();
  expectTypeOf(() => parseWithSchema(schemas.valibot, jsonOf({}))).returns.resolves.toEqualTypeOf<
    v.InferOutput<typeof schemas.valibot>
  >();
  expectTypeOf(() => parseWithSchema(schemas.arktype, jsonOf({}))).returns.resolves.toEqualTypeOf<
    typeof schemas.arktype.infer
  >();
  const lengthSchema = z.string().transform((text) => text.length);
  expectTypeOf(() => parseWithSchema(lengthSchema, jsonOf(''))).returns.resolves.toEqualTypeOf<number>();
});

test('the output of a schema with a transform is the transformed value', async () => {
  const schema = z.object({ at: z.string().transform((text) => new Date(text)) });
  expect(await parseWithSchema(schema, jsonOf({ at: '2030-01-01' }))).toEqual({ at: new Date('2030-01-01') });
});

test('an asynchronous schema is awaited', async () => {
  const schema = schemaOf<number>(async (value) => ({ value: Number(value) + 1 }));
  expect(await parseWithSchema(schema, jsonOf(1))).toBe(2);
  const refusingSchema = z.string().refine(async () => false, 'not known');
  await expect(parseWithSchema(refusingSchema, jsonOf('x'))).rejects.toThrow('schema: not known');
});

test('a body that is not JSON makes the event unrecoverable', async () => {
  const error = await rejectionOf(parseWithSchema(schemas.zod, () => JSON.parse('{ a secret')));
  expect(error).toBeInstanceOf(UnrecoverableEventError);
  expect(error.message).toContain('not valid JSON');
  expect(error.message).not.toContain('secret');
  expect(error.cause).toBeInstanceOf(SyntaxError);
});

test('D12 a RangeError of a body over the limits is passed on, like any other error', async () => {
  const tooDeep = new RangeError('too deep');
  const readTooDeep = (): never => {
    throw tooDeep;
  };
  await expect(parseWithSchema(schemas.zod, readTooDeep)).rejects.toBe(tooDeep);
  const databaseError = new Error('the database is away');
  const failingSchema = schemaOf(() => {
    throw databaseError;
  });
  await expect(parseWithSchema(failingSchema, jsonOf(1))).rejects.toBe(databaseError);
});

test.each([
  [undefined],
  [null],
  [{}],
  [{ '~standard': {} }],
  [{ '~standard': { version: 2, vendor: 'test', validate: () => ({ value: 1 }) } }],
])('%o is not a schema and causes a TypeError, because the event is not to blame', async (value) => {
  // Called without type checks, as JavaScript code can.
  const parsing: Promise<unknown> = Reflect.apply(parseWithSchema, undefined, [value, jsonOf(1)]);
  await expect(parsing).rejects.toThrow(TypeError);
  await expect(parsing).rejects.toThrow('https://standardschema.dev');
});

describe('the message of the error', () => {
  const messageOf = async (issues: StandardSchemaResult<unknown>['issues'], value: unknown = {}): Promise<string> =>
    (
      await rejectionOf(
        parseWithSchema(
          schemaOf(() => ({ issues: issues ?? [] })),
          jsonOf(value),
        ),
      )
    ).message.replace(/^.*? schema: /, '');

  test('lists 20 issues and counts the others', async () => {
    const issues = Array.from({ length: 1_000 }, (_, index) => ({ message: 'no', path: ['list', index] }));
    const message = await messageOf(issues);
    expect(message).toMatch(/^list\.0: no; list\.1: no; .*; list\.19: no; and 980 more$/);
  });

  test('is cut if paths and messages are long, and has no control characters', async () => {
    const issues = Array.from({ length: 30 }, () => ({
      message: `a\u0000\n${'x'.repeat(1e6)}`,
      path: ['k'.repeat(1e6)],
    }));
    const message = await messageOf(issues);
    expect(message.length).toBeLessThan(20 * 450);
    expect(message).not.toMatch(/\p{Cc}/u);
  });

  test('shows path steps that are objects or symbols, and issues without a path', async () => {
    const issues = [
      { message: 'no', path: [{ key: 'a' }, 1, Symbol('s')] },
      { message: 'all of it', path: [] },
      { message: 'as well' },
    ];
    expect(await messageOf(issues)).toBe('a.1.Symbol(s): no; all of it; as well');
  });

  test.each([
    ['must be a word (was "ab")', 'ab', 'must be a word (was …)'],
    ["Received 'it'", 'it', 'Received …'],
    ['no such user: some-long-name!', 'some-long-name', 'no such user: …!'],
    ['Expected >=5 but received 3', 3, 'Expected >=5 but received …'],
    ['Expected 30 but received -3', -3, 'Expected 30 but received …'],
    ['Expected 1 but received 0.25', 0.25, 'Expected 1 but received …'],
    ['was {"a":"b"}', { a: 'b' }, 'was …'],
    ['Expected string but received null', null, 'Expected string but received null'],
    ['must be a string (was boolean)', true, 'must be a string (was boolean)'],
  ])('shows the issue %j of the value %j as %j', async (message, value, expected) => {
    expect(await messageOf([{ message, path: ['at'] }], { at: value })).toBe(`at: ${expected}`);
  });
});
