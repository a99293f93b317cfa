import type { ChildProcess } from 'node:child_process';

interface Call {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

type Reply = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: string };

/** Calls a method of a child process that has an IPC channel and answers calls. */
export type Caller = (method: string, argument?: unknown) => Promise<unknown>;

/** Returns the caller of a child process. A call rejects with the error of the process, or when the process ends. */
export function callerOf(child: ChildProcess, name: string): Caller {
  const pending = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  child.on('message', (reply) => {
    if (!isReply(reply)) return;
    const call = pending.get(reply.id);
    pending.delete(reply.id);
    if ('error' in reply) call?.reject(new Error(`${name}: ${reply.error}`));
    else call?.resolve(reply.result);
  });
  child.once('close', (code, signal) => {
    for (const { reject } of pending.values()) reject(new Error(`${name}: the process ended (${code ?? signal})`));
    pending.clear();
  });
  return (method, argument) =>
    new Promise((resolve, reject) => {
      lastId += 1;
      const call: Call = { id: lastId, method, argument };
      pending.set(lastId, { resolve, reject });
      child.send(call, (error) => error !== null && reject(new Error(`${name}: ${error.message}`)));
    });
}

/** Answers the calls of the parent process until it calls `stop` or exits. */
export function answerCalls(methods: Readonly<Record<string, (argument: unknown) => unknown>>): void {
  const reply = (message: Reply): void => void process.send?.(message);
  const exitOrphaned = (): never => process.exit(1);
  process.once('disconnect', exitOrphaned);
  const answer = async ({ id, method, argument }: Call): Promise<void> => {
    try {
      reply({ id, result: await methods[method]?.(argument) });
    } catch (error) {
      reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
    if (method !== 'stop') return;
    process.off('disconnect', exitOrphaned);
    process.disconnect();
  };
  process.on('message', (call) => {
    if (isCall(call)) void answer(call);
  });
}

function isCall(message: unknown): message is Call {
  return typeof message === 'object' && message !== null && 'id' in message && 'method' in message;
}

function isReply(message: unknown): message is Reply {
  return (
    typeof message === 'object' && message !== null && 'id' in message && ('result' in message || 'error' in message)
  );
}

/** Reads the named numbers from a value another process sent. */
export function numbersOf<const Name extends string>(value: unknown, names: readonly Name[]): Record<Name, number> {
  return fieldsOf(value, names, (field) => typeof field === 'number');
}

/** Reads the named strings from a value another process sent. */
export function stringsOf<const Name extends string>(value: unknown, names: readonly Name[]): Record<Name, string> {
  return fieldsOf(value, names, (field) => typeof field === 'string');
}

function fieldsOf<Name extends string, Field>(
  value: unknown,
  names: readonly Name[],
  isField: (field: unknown) => field is Field,
): Record<Name, Field> {
  const received = new Map(Object.entries(Object(value)));
  const fields: Partial<Record<Name, Field>> = {};
  for (const name of names) {
    const field = received.get(name);
    if (!isField(field)) throw new TypeError(`Another process of the benchmark sent no proper ${name}`);
    fields[name] = field;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every name was seen above
  return fields as Record<Name, Field>;
}
