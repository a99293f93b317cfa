import { basename } from 'node:path';
import { numbersOf, stringsOf } from './calls.js';
import { deliveryHeaders } from './delivery-request.js';
import type { RunningRow, Subject } from './rounds.js';
import { checkWork, FLOOR_ANSWERS } from './same-work.js';
import { rowName, type Row } from './scenario.js';
import type { Worker } from './worker.js';

/** Dependencies for starting rows. */
export interface RowStart {
  readonly subject: Subject;
  /** Starts the process of a module under a unique name. */
  readonly start: (module: URL, name: string, nodeOptions: readonly string[]) => Worker;
  readonly onProgress: (what: string) => void;
}

/**
 * Starts the server of each row and checks that all do the same work. Rows with the same module, options and payload
 * share a server. Rows with different payloads do not: V8's garbage collection depends on everything a process
 * received.
 *
 * @throws Error when a server does other work
 */
export async function startRows(
  rows: readonly Row[],
  { subject, start, onProgress }: RowStart,
): Promise<readonly RunningRow[]> {
  const servers = new Map<string, Pick<RunningRow, 'server' | 'callback'>>();
  const runningRows: RunningRow[] = [];
  let sameAnswer: string | undefined;
  for (const row of rows) {
    const { server: module, nodeOptions = [], answers } = row.scenario;
    const name = [basename(module.pathname, '.js'), ...nodeOptions, row.payload.name].join(' ');
    let runningServer = servers.get(name);
    if (runningServer === undefined) {
      onProgress(`starting ${name}`);
      const server = start(module, name, nodeOptions);
      runningServer = { server, ...stringsOf(await server.call('start', subject), ['callback']) };
      servers.set(name, runningServer);
    }
    const { server, callback } = runningServer;
    runningRows.push({ row, server, callback });
    const accepted = async (): Promise<number> => {
      await server.call('settle');
      return numbersOf(await server.call('usage'), ['accepted']).accepted;
    };
    const checkedServer = { callback, answers: answers ?? FLOOR_ANSWERS, accepted };
    const answer = await checkWork(checkedServer, deliveryHeaders(row.payload, subject), row.payload.bytes);
    if (answers !== undefined) continue;
    sameAnswer ??= answer;
    if (answer !== sameAnswer) {
      throw new Error(`${rowName(row)} answers\n${answer}\nwhere the first row answers\n${sameAnswer}`);
    }
  }
  return runningRows;
}
