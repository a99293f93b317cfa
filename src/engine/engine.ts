/** The due times of one kind of work, by key. */
export interface Timetable {
  /** Replaces the due time of a key (epoch milliseconds). Undefined removes it. */
  set(key: string, at: number | undefined): void;
  /** Replaces all due times later than `at` (epoch milliseconds) with `at`. */
  bringForwardTo(at: number): void;
  /** Whether the key has a due time, or its work runs. */
  has(key: string): boolean;
  /** Number of keys with a due time. */
  readonly size: number;
}

/** Runs the work of subscriptions and stored events: exclusively by key, or when it is due. */
export interface Engine {
  /** Runs work after all earlier work for the same key has ended: at once if there is none. */
  runExclusive<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Whether exclusive work for the key runs or waits. */
  isLocked(key: string): boolean;
  /**
   * Creates a timetable. Removes the due time of each key that comes due, then calls `run` with the key. Until that run
   * has settled, the key does not run again. A failed run is reported, and the key runs again after a minute unless the
   * run has set another time.
   *
   * @param name unique among the engine's timetables
   * @throws Error if there is a timetable of that name
   */
  timetable(name: string, run: (key: string) => void | Promise<void>): Timetable;
  /** Calls `run` when the clock was set back. `run` does not throw. */
  onClockSetBack(run: () => void): void;
  /**
   * Calls `run` at the times of a cron expression. A time that comes while the last run has not settled is skipped. A
   * failed run is reported.
   */
  every(name: string, cronTime: string, run: () => void | Promise<void>): void;
  /** Starts running due work. */
  start(): void;
  /** Stops running due work. */
  stop(): void;
}
