/** The due times of one kind of work, by key. */
export interface Timetable {
  /** Replaces the due time of a key (epoch milliseconds). Undefined removes it. */
  set(key: string, at: number | undefined): void;
  /** Replaces all due times later than `at` (epoch milliseconds) with `at`. */
  bringForwardTo(at: number): void;
  /** Whether the key has a due time. */
  has(key: string): boolean;
  /** Number of keys with a due time. */
  readonly size: number;
}

/** Runs the work of subscriptions and stored events: exclusively by key, or when it is due. */
export interface Engine {
  /** Runs work after all earlier work for the same key has ended. */
  runExclusive<T>(key: string, work: () => Promise<T>): Promise<T>;
  /**
   * Creates a timetable. Removes the due time of each key that comes due, then calls `run` with the key. `run` does not
   * throw.
   */
  timetable(run: (key: string) => void): Timetable;
  /** Calls `run` when the clock was set back. `run` does not throw. */
  onClockSetBack(run: () => void): void;
  /** Calls `run` at the times of a cron expression. `run` does not throw. */
  every(cronTime: string, run: () => void): void;
  /** Starts running due work. */
  start(): void;
  /** Stops running due work. */
  stop(): void;
}
