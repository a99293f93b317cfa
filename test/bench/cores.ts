import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The cores that the server and the load generator are pinned to. */
export interface Cores {
  readonly server: number;
  readonly load: number;
}

/** Returns two cores this process may use. Undefined without two cores or without `taskset` to pin processes. */
export function separateCores(): Cores | undefined {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const [, list = ''] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  const allowed = coresOf(list);
  const [server] = allowed;
  const load = allowed.at(-1);
  return server === undefined || load === undefined || server === load ? undefined : { server, load };
}

/** Parses a list of cores in the kernel's format: `0-3,8`. */
export function coresOf(list: string): readonly number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    if (first === undefined || last === undefined || range === '') return [];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
