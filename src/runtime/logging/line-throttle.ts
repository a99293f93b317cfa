import type { Logger } from '../../logger.js';
import {
  mergeSuppressed,
  suppressedLine,
  suppressedSummary,
  withSuppressedCount,
  type SuppressedLines,
} from './suppressed-lines.js';
import { TokenBucket } from './token-bucket.js';
import { kindOf, ownerOf, subjectOf } from './line-kind.js';
import { LruMap } from './lru-map.js';

const MINUTE_MS = 60_000;

/** Minimum milliseconds between checks of the suppressed lines. */
const CHECK_INTERVAL_MS = 1_000;

/** Warnings and errors of one kind that are written before all subscriptions share one line per minute. */
const BURST = 24;

/** Lines of one kind without a subscription or service that are written before one line per minute. They may differ. */
const NO_OWNER_BURST = 5;

const MAX_KINDS = 1_000;
const MAX_SUBJECTS = 10_000;

/** The levels that are throttled. */
export type Level = 'info' | 'warn' | 'error';

/** All lines of one level and one kind. */
interface Kind {
  readonly level: Level;
  readonly bucket: TokenBucket;
  suppressed?: SuppressedLines | undefined;
}

/** The lines of one kind about one subscription. */
interface Subject {
  readonly kind: Kind;
  readonly bucket: TokenBucket;
  suppressed?: SuppressedLines | undefined;
}

/** Writes lines, or suppresses and counts them. */
export class LineThrottle {
  readonly #logger: Logger;
  readonly #now: () => number;
  // A dropped kind stays in `#withSuppressed` until its count is logged.
  readonly #kinds = new LruMap<Kind>(MAX_KINDS, () => {});
  readonly #subjects = new LruMap<Subject>(MAX_SUBJECTS, (subject) => this.#passToKind(subject, this.#now()));
  /** Kinds and subjects with suppressed lines. */
  readonly #withSuppressed = new Set<Kind | Subject>();
  /** Epoch milliseconds. */
  #nextCheckAt = Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  write(level: Level, fields: object, message: string): void {
    const now = this.#now();
    if (now >= this.#nextCheckAt) this.#logDue(now);
    const key = `${level} ${kindOf(fields, message)}`;
    const kind = this.#kinds.get(key, () => ({ level, bucket: new TokenBucket(BURST, now) }));
    const burst = ownerOf(fields) === '' ? NO_OWNER_BURST : 1;
    const subjectKey = `${subjectOf(fields)} ${key}`;
    const subject = this.#subjects.get(subjectKey, () => ({ kind, bucket: new TokenBucket(burst, now) }));
    const line = suppressedLine(fields, message, now);
    if (!subject.bucket.take(now)) this.#suppress(subject, line, now);
    // Info lines about different subscriptions are not a repetition.
    else if (level !== 'info' && !kind.bucket.take(now)) this.#suppress(kind, line, now);
    else {
      const suppressed = mergeSuppressed(this.#takeSuppressed(kind), this.#takeSuppressed(subject));
      this.#log(level, suppressed === undefined ? [fields, message] : withSuppressedCount(fields, message, suppressed));
    }
  }

  flush(): void {
    for (const each of this.#withSuppressed) if ('kind' in each) this.#logOrPassToKind(each, this.#now());
    for (const each of this.#withSuppressed) if ('level' in each) this.#logSuppressed(each, each.level);
    this.#nextCheckAt = Infinity;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #logDue(now: number): void {
    for (const each of this.#withSuppressed)
      if ('kind' in each && each.bucket.take(now)) this.#logOrPassToKind(each, now);
    for (const each of this.#withSuppressed)
      if ('level' in each && each.bucket.take(now)) this.#logSuppressed(each, each.level);
    this.#nextCheckAt = Infinity;
    for (const { bucket } of this.#withSuppressed) this.#nextCheckAt = Math.min(this.#nextCheckAt, bucket.nextAt);
    this.#nextCheckAt = Math.max(this.#nextCheckAt, now + CHECK_INTERVAL_MS);
    this.#scheduleCheck(now);
  }

  /** Logs a subject's count if its kind has a token left. Otherwise adds it to the count of the kind. */
  #logOrPassToKind(subject: Subject, now: number): void {
    const { kind } = subject;
    if (kind.bucket.take(now)) this.#logSuppressed(subject, kind.level);
    else this.#passToKind(subject, now);
  }

  #logSuppressed(source: Kind | Subject, level: Level): void {
    const suppressed = this.#takeSuppressed(source);
    if (suppressed !== undefined) this.#log(level, suppressedSummary(suppressed));
  }

  #log(level: Level, [fields, message]: [fields: object, message: string]): void {
    if (isEmpty(fields)) this.#logger[level](message);
    else this.#logger[level](fields, message);
  }

  #suppress(target: Kind | Subject, line: SuppressedLines, now: number): void {
    target.suppressed = mergeSuppressed(target.suppressed, line);
    if (this.#withSuppressed.has(target)) return;
    this.#withSuppressed.add(target);
    this.#nextCheckAt = Math.min(this.#nextCheckAt, Math.max(target.bucket.nextAt, now + CHECK_INTERVAL_MS));
    this.#scheduleCheck(now);
  }

  #takeSuppressed(target: Kind | Subject): SuppressedLines | undefined {
    const { suppressed } = target;
    target.suppressed = undefined;
    this.#withSuppressed.delete(target);
    return suppressed;
  }

  #passToKind(subject: Subject, now: number): void {
    const suppressed = this.#takeSuppressed(subject);
    if (suppressed !== undefined) this.#suppress(subject.kind, suppressed, now);
  }

  /** Starts a timer that logs the counts even if no further line comes. */
  #scheduleCheck(now: number): void {
    if (this.#timer !== undefined || this.#withSuppressed.size === 0) return;
    // At most a minute, because the clock may be set back.
    const milliseconds = Math.min(MINUTE_MS, Math.max(CHECK_INTERVAL_MS, this.#nextCheckAt - now));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#logDue(this.#now());
    }, milliseconds).unref();
  }
}

function isEmpty(fields: object): boolean {
  for (const _name in fields) return false;
  return true;
}
