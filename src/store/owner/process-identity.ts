import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Identifies a process, as far as the operating system allows. */
export interface ProcessIdentity {
  readonly pid: number;
  /** The host and, on Linux, the pid namespace. Process ids are unique only within both. */
  readonly host: string;
  /** The process's start time, usable only for comparison; undefined when unknown. */
  readonly started: string | undefined;
}

/** The identity of the current process. */
export function thisProcess(): ProcessIdentity {
  const namespace = attempt(() => readlinkSync('/proc/self/ns/pid'));
  return {
    pid: process.pid,
    host: namespace === undefined ? hostname() : `${hostname()} ${namespace}`,
    started: startTimeOf(process.pid),
  };
}

/** Returns the start time of a process on this host; undefined when there is none or it is unknown. */
export function startTimeOf(pid: number): string | undefined {
  const stat = readStat(pid);
  const boot = attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  return stat === undefined || boot === undefined ? undefined : `${boot} ${stat.startTicks}`;
}

/** Whether a process on this host runs. A zombie (ended but not reaped) does not count. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  const state = readStat(pid)?.state;
  return state !== 'Z' && state !== 'X';
}

/** Reads fields 3 and 22 of `/proc/<pid>/stat`, counted after the command, which may contain spaces and parentheses. */
function readStat(pid: number): { readonly state: string; readonly startTicks: string } | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields?.[0];
  const startTicks = fields?.[19];
  return state === undefined || startTicks === undefined ? undefined : { state, startTicks };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
