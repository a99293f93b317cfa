import { KIND, type Logger } from '../../logger.js';
import { inPlaceOf, together, withCount, type LeftOut } from './suppressed-lines.js';
import { LineBudget } from './token-bucket.js';
import { kindOf, subjectOf } from './line-kind.js';
import { RecentMap } from './lru-map.js';

const MINUTE_MS = 60_000;

/** Counts are looked at no more often than that, in milliseconds. */
const LOOK_MS = 1_000;

/** Warnings and errors of one kind, about as many subscriptions, before all of them together get one line a minute. */
const BURST = 24;

/** Lines of one kind that name no subscription, before they get one line a minute: each may be about something else. */
const NAMELESS_BURST = 5;

const MOST_KINDS = 1_000;
const MOST_SUBJECTS = 10_000;

/** The levels that are bounded. */
export type Level = 'info' | 'warn' | 'error';

/** All lines of one level that say the same thing. */
interface Kind {
  readonly level: Level;
  readonly budget: LineBudget;
  leftOut?: LeftOut | undefined;
}

/** Lines of a kind about one subscription. */
interface Subject {
  readonly kind: Kind;
  readonly budget: LineBudget;
  leftOut?: LeftOut | undefined;
}

/** Writes lines, or counts them. */
export class BoundedLines {
  readonly #logger: Logger;
  readonly #now: () => number;
  // A kind that is dropped still logs its pending count.
  readonly #kinds = new RecentMap<Kind>(MOST_KINDS, () => {});
  readonly #subjects = new RecentMap<Subject>(MOST_SUBJECTS, (subject) => this.#pass(subject, this.#now()));
  /** Those of which lines were left out. */
  readonly #waiting = new Set<Kind | Subject>();
  /** Epoch milliseconds. */
  #nextLook = Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  write(level: Level, given: object, message: string): void {
    const now = this.#now();
    if (now >= this.#nextLook) this.#look(now);
    const [fields, named = kindOf(message)] = apart(given);
    const key = `${level} ${named}`;
    const kind = this.#kinds.get(key, () => ({ level, budget: new LineBudget(BURST, now) }));
    const about = subjectOf(fields);
    const burst = about === '' ? NAMELESS_BURST : 1;
    const subject = this.#subjects.get(`${about} ${key}`, () => ({ kind, budget: new LineBudget(burst, now) }));
    const line = { count: 1, since: now, fields, message };
    if (!subject.budget.take(now)) this.#leaveOut(subject, line, now);
    // Different subscriptions that live their lives are no repetition.
    else if (level !== 'info' && !kind.budget.take(now)) this.#leaveOut(kind, line, now);
    else {
      const leftOut = together(this.#takeFrom(kind), this.#takeFrom(subject));
      this.#tell(level, leftOut === undefined ? [fields, message] : withCount(fields, message, leftOut));
    }
  }

  flush(): void {
    for (const each of this.#waiting) if ('kind' in each) this.#tellOrPass(each, this.#now());
    for (const each of this.#waiting) if ('level' in each) this.#tellOf(each, each.level);
    this.#nextLook = Infinity;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(now: number): void {
    for (const each of this.#waiting) if ('kind' in each && each.budget.take(now)) this.#tellOrPass(each, now);
    for (const each of this.#waiting) if ('level' in each && each.budget.take(now)) this.#tellOf(each, each.level);
    this.#nextLook = Infinity;
    for (const { budget } of this.#waiting) this.#nextLook = Math.min(this.#nextLook, budget.nextAt);
    this.#nextLook = Math.max(this.#nextLook, now + LOOK_MS);
    this.#wait(now);
  }

  /** A subject's count is told as long as its kind has lines to spare, else it is a part of the kind's. */
  #tellOrPass(subject: Subject, now: number): void {
    const { kind } = subject;
    if (kind.budget.take(now)) this.#tellOf(subject, kind.level);
    else this.#pass(subject, now);
  }

  #tellOf(waiting: Kind | Subject, level: Level): void {
    const leftOut = this.#takeFrom(waiting);
    if (leftOut !== undefined) this.#tell(level, inPlaceOf(leftOut));
  }

  #tell(level: Level, [fields, message]: [fields: object, message: string]): void {
    if (isEmpty(fields)) this.#logger[level](message);
    else this.#logger[level](fields, message);
  }

  #leaveOut(target: Kind | Subject, line: LeftOut, now: number): void {
    target.leftOut = together(target.leftOut, line);
    if (this.#waiting.has(target)) return;
    this.#waiting.add(target);
    this.#nextLook = Math.min(this.#nextLook, Math.max(target.budget.nextAt, now + LOOK_MS));
    this.#wait(now);
  }

  #takeFrom(target: Kind | Subject): LeftOut | undefined {
    const { leftOut } = target;
    target.leftOut = undefined;
    this.#waiting.delete(target);
    return leftOut;
  }

  #pass(subject: Subject, now: number): void {
    const leftOut = this.#takeFrom(subject);
    if (leftOut !== undefined) this.#leaveOut(subject.kind, leftOut, now);
  }

  /** Looks after what waits, also when no further line comes. */
  #wait(now: number): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return;
    // No longer than a minute, as the clock may be set back.
    const milliseconds = Math.min(MINUTE_MS, Math.max(LOOK_MS, this.#nextLook - now));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look(this.#now());
    }, milliseconds).unref();
  }
}

/** Fields without the kind that they name, and that kind. */
export function apart(fields: object): [fields: object, kind: string | undefined] {
  if (!(KIND in fields)) return [fields, undefined];
  return [Object.fromEntries(Object.entries(fields)), String(fields[KIND])];
}

function isEmpty(fields: object): boolean {
  for (const _name in fields) return false;
  return true;
}
