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
  /** Sum over all rounds. */
  readonly requests: number;
  /** Sum over all rounds. */
  readonly logLines: number;
  /** Ratios to the floor, round by round; undefined for the floor itself. */
  readonly toFloor: Readonly<Record<'rate' | 'cpuMicros' | 'p99Ms', Comparison>> | undefined;
  readonly rounds: readonly Sample[];
}

/** The result of a run. */
export interface Report {
  readonly machine: Machine;
  /** Undefined when the processes were not pinned to separate cores. */
  readonly cores: Cores | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly profiled: boolean;
  /** Rows and figures left out by `--quick` or `--no-peers`. */
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
  const samplesOf = new Map([...samples].map(([{ row }, rounds]) => [row, rounds]));
  return [...samples].map(([runningRow, rounds]) => {
    const { scenario, payload } = runningRow.row;
    const floor = floorOf(rows, runningRow.row);
    const floorRounds = floor === undefined ? undefined : samplesOf.get(floor);
    const valuesOf = (field: keyof Sample): number[] => rounds.map((sample) => sample[field]);
    const comparisonOf = (field: keyof Sample): Comparison =>
      compareRounds(
        valuesOf(field),
        (floorRounds ?? []).map((sample) => sample[field]),
      );
    return {
      scenario: scenario.name,
      payload: payload.name,
      payloadBytes: payload.bytes.byteLength,
      connections: connectionsOf(runningRow.row, connections),
      requests: sum(valuesOf('requests')),
      rate: median(valuesOf('rate')),
      cpuMicros: median(valuesOf('cpuMicros')),
      p50Ms: median(valuesOf('p50Ms')),
      p99Ms: median(valuesOf('p99Ms')),
      loadBusy: median(valuesOf('loadBusy')),
      waiting: median(valuesOf('waiting')),
      logLines: sum(valuesOf('logLines')),
      toFloor:
        floorRounds === undefined
          ? undefined
          : { rate: comparisonOf('rate'), cpuMicros: comparisonOf('cpuMicros'), p99Ms: comparisonOf('p99Ms') },
      rounds,
    };
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
