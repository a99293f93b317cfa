import type { ServiceReference, StartOptions, SubscriberRuntime } from 'websub-subscriber';
import type { LogEvent } from '../../src/log-events.js';
import type { Logger } from '../../src/logger.js';
import { start } from '../../src/runtime/lifecycle/start-service.js';
import { ManualClock } from './manual-clock.js';
import { recordingLogger, type RecordedLine } from './recording-logger.js';

/** Starts runtimes whose clock, randomness and log belong to the test. */
export class FakeWorld {
  readonly lines: RecordedLine[] = [];
  readonly #recording = recordingLogger(this.lines);
  readonly logger: Logger = this.#recording;
  /** The source of randomness, from 0 to 1. */
  random = (): number => 0.5;
  readonly #clock: ManualClock;

  /** @param now epoch milliseconds at the beginning */
  constructor(now?: number) {
    this.#clock = new ManualClock(now);
  }

  get now(): number {
    return this.#clock.time;
  }

  /** Starts services on a free port. */
  start(
    services: ServiceReference | readonly ServiceReference[],
    options: StartOptions = {},
  ): Promise<SubscriberRuntime> {
    const { now, engine } = this.#clock;
    return start(
      services,
      { port: 0, store: 'memory', logger: this.logger, handleSignals: false, ...options },
      { now, engine, random: () => this.random(), env: {} },
    );
  }

  /** Moves the clock forward, then runs the work that has become due. */
  advance(milliseconds: number): void {
    this.#clock.advance(milliseconds);
  }

  /** Runs the job of a cron expression once. */
  runCron(cronTime: string): void {
    this.#clock.runCron(cronTime);
  }

  /** The events of one level. */
  events(level: keyof Logger): readonly unknown[] {
    return this.#recording.events(level);
  }

  /** The lines of one event. */
  logged(event: LogEvent): readonly RecordedLine[] {
    return this.#recording.logged(event);
  }
}
