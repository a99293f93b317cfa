import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** What tells a process from every other, as far as the operating system lets us know. */
export interface ProcessIdentity {
  readonly pid: number;
  /** The host and, on Linux, the pid namespace: process ids mean the same only within both. */
  readonly host: string;
  /** When the process started, in a form that only serves to be compared; undefined where it cannot be known. */
  readonly started: string | undefined;
}

/** The process this runs in. */
export function thisProcess(): ProcessIdentity {
  const namespace = attempt(() => readlinkSync('/proc/self/ns/pid'));
  return {
    pid: process.pid,
    host: namespace === undefined ? hostname() : `${hostname()} ${namespace}`,
    started: startTimeOf(process.pid),
  };
}

/** When a process of this host started; undefined where there is none, or it cannot be known. */
export function startTimeOf(pid: number): string | undefined {
  const stat = readStat(pid);
  const boot = attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  return stat === undefined || boot === undefined ? undefined : `${boot} ${stat.startTicks}`;
}

/** Whether a process of this host exists and has not ended; one that ended but was not reaped has. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  const state = readStat(pid)?.state;
  return state !== 'Z' && state !== 'X';
}

/** Fields 3 and 22 of `/proc/<pid>/stat`, counted after the command, which may contain spaces and parentheses. */
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
