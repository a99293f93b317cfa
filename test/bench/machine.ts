import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release } from 'node:os';

/** What was measured, and on which machine. */
export interface Machine {
  readonly package: string;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  readonly system: string;
  /** Load average of the last minute before the run. Much above 0 means other work interferes. */
  readonly loadBefore: number;
}

export function thisMachine(): Machine {
  const all = cpus();
  const [loadBefore = 0] = loadavg();
  return {
    package: `websub-subscriber ${packageVersion()}`,
    node: process.version,
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    system: `${platform()} ${release()} ${arch()}`,
    loadBefore,
  };
}

function packageVersion(): string {
  const content: unknown = JSON.parse(
    readFileSync(new URL(import.meta.resolve('websub-subscriber/package.json')), 'utf8'),
  );
  return typeof content === 'object' && content !== null && 'version' in content ? String(content.version) : 'unknown';
}
