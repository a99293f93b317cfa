import type { Cores } from './cores.js';
import type { Figure } from './figure.js';
import type { Machine } from './machine.js';
import type { RunningRow, Sample } from './rounds.js';
import { floorOf } from './rows.js';
import { connectionsOf, type Scenario } from './scenario.js';
import { compareRounds, median, type Comparison } from './statistics.js';

/** Medians of a row's rounds. */
export interface RowReport extends Omit<Sample, 'requests'> {
  readonly scenario: string;
  readonly payload: string;
  readonly payloadBytes: number;
  /** Requests in flight. */
  readonly connections: number;
  /** Of all rounds together. */
  readonly requests: number;
  /** Of all rounds together. */
  readonly logLines: number;
  /** Compared with the floor, round by round; undefined for the floor itself. */
  readonly toFloor: Readonly<Record<'rate' | 'cpuMicros' | 'p99Ms', Comparison>> | undefined;
  readonly rounds: readonly Sample[];
}

/** What a run came to. */
export interface Report {
  readonly machine: Machine;
  /** Undefined where the processes were not kept on cores of their own. */
  readonly cores: Cores | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly profiled: boolean;
  /** Rows and figures that `--quick` or `--no-peers` left out. */
  readonly leftOut: readonly string[];
  readonly scenarios: readonly Pick<Scenario, 'name' | 'what' | 'aim'>[];
  readonly rows: readonly RowReport[];
  readonly figures: readonly Figure[];
}

/** Reports on each row. */
export function reportRows(
  samples: ReadonlyMap<RunningRow, readonly Sample[]>,
  connections: number,
): readonly RowReport[] {
  const rows = [...samples.keys()].map(({ row }) => row);
  const ofRow = new Map([...samples].map(([{ row }, rounds]) => [row, rounds]));
  return [...samples].map(([running, rounds]) => {
    const { scenario, payload } = running.row;
    const floor = floorOf(rows, running.row);
    const base = floor === undefined ? undefined : ofRow.get(floor);
    const all = (field: keyof Sample): number[] => rounds.map((sample) => sample[field]);
    const compared = (field: keyof Sample): Comparison =>
      compareRounds(
        all(field),
        (base ?? []).map((sample) => sample[field]),
      );
    return {
      scenario: scenario.name,
      payload: payload.name,
      payloadBytes: payload.bytes.byteLength,
      connections: connectionsOf(running.row, connections),
      requests: sum(all('requests')),
      rate: median(all('rate')),
      cpuMicros: median(all('cpuMicros')),
      p50Ms: median(all('p50Ms')),
      p99Ms: median(all('p99Ms')),
      loadBusy: median(all('loadBusy')),
      waiting: median(all('waiting')),
      logLines: sum(all('logLines')),
      toFloor:
        base === undefined
          ? undefined
          : { rate: compared('rate'), cpuMicros: compared('cpuMicros'), p99Ms: compared('p99Ms') },
      rounds,
    };
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((before, number) => before + number, 0);
}
