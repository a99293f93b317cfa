import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The cores that server and load generator are kept on. */
export interface Cores {
  readonly server: number;
  readonly load: number;
}

/** Two cores this process may use; undefined where there are not two, or no `taskset` to hold processes to them. */
export function separateCores(): Cores | undefined {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const [, list = ''] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  const allowed = coresOf(list);
  const [server] = allowed;
  const load = allowed.at(-1);
  return server === undefined || load === undefined || server === load ? undefined : { server, load };
}

/** The cores of a list as the kernel writes it: `0-3,8`. */
export function coresOf(list: string): readonly number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    if (first === undefined || last === undefined || range === '') return [];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
