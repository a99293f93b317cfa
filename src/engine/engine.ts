/** Due times of one kind of work, by key. */
export interface Timetable {
  /** Replaces the key's due time (epoch milliseconds); undefined takes it off. */
  set(key: string, at: number | undefined): void;
  /** Brings due times that lie after a time (epoch milliseconds) forward to it. */
  bringForwardTo(at: number): void;
  /** Whether the key has a due time. */
  has(key: string): boolean;
  /** How many keys have a due time. */
  readonly size: number;
}

/** What subscriptions and stored events need of the place they run in: turns, and due work. */
export interface Engine {
  /** Runs work for a key when all work given for that key before has ended. */
  runExclusive<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** A timetable whose keys are handed to `run` once when they come due. `run` does not throw. */
  timetable(run: (key: string) => void): Timetable;
  /** Calls `run` when the clock was found to have been set back. `run` does not throw. */
  onClockSetBack(run: () => void): void;
  /** Runs on every turn of a cron expression. `run` does not throw. */
  every(cronTime: string, run: () => void): void;
  /** From now on due work is run. */
  start(): void;
  /** Nothing is run any more. */
  stop(): void;
}
