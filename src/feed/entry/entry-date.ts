/** RFC 3339, and the shorter W3C date and time formats: a year, a month, no seconds, no zone. */
const ISO =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T\s]\s*(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(z|[+-]\d\d(?::?\d\d)?)?)?)?)?$/i;

/** RFC 822, with the four-digit years and long names seen in feeds. */
const RFC_822 =
  /^(?:[a-z]+\.?,?\s*)?(\d{1,2})[\s-]([a-z]{3})[a-z]*\.?,?[\s-](\d{4}|\d\d)(?:,?\s+(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:\s*([a-z]+|(?:gmt|utc)?[+-]\d\d:?\d\d))?)?(?:\s*\([^)]*\))?$/i;

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/**
 * Hours ahead of UTC. Ambiguous names (IST, CST, BST, AMT, GST) are absent, although RFC 822 defines CST. RFC 2822,
 * section 4.3, reads unknown names and military letters as UTC, which can be wrong by 14 hours. Such a date is ignored
 * instead: catch-up and polling compare dates, and a wrong date would hide new entries.
 */
const ZONE_OFFSETS: ReadonlyMap<string, number> = new Map([
  ['z', 0],
  ['ut', 0],
  ['utc', 0],
  ['gmt', 0],
  ['edt', -4],
  ['est', -5],
  ['cdt', -5],
  ['mdt', -6],
  ['mst', -7],
  ['pdt', -7],
  ['pst', -8],
  ['akdt', -8],
  ['akst', -9],
  ['hst', -10],
  ['wet', 0],
  ['west', 1],
  ['cet', 1],
  ['cest', 2],
  ['eet', 2],
  ['eest', 3],
  ['msk', 3],
  ['hkt', 8],
  ['sgt', 8],
  ['awst', 8],
  ['jst', 9],
  ['kst', 9],
  ['acst', 9.5],
  ['acdt', 10.5],
  ['aest', 10],
  ['aedt', 11],
  ['nzst', 12],
  ['nzdt', 13],
]);

const MAX_DATE_LENGTH = 100;
const MINUTE = 60_000;

/** Parses a feed's date; undefined if it is invalid or its zone is not in `ZONE_OFFSETS`. A missing zone means UTC. */
export function readDate(text: string | undefined): Date | undefined {
  const trimmed = text?.trim();
  if (trimmed === undefined || trimmed.length > MAX_DATE_LENGTH) return undefined;
  const iso = ISO.exec(trimmed);
  if (iso) {
    const [, year, month = '1', day = '1', hour, minute, second, fraction = '', zone] = iso;
    return dateOf([year, month, day, hour, minute, second], fraction, zone);
  }
  const [, day, name = '', year = '', hour, minute, second, zone] = RFC_822.exec(trimmed) ?? [];
  if (day === undefined) return undefined;
  const month = MONTHS.indexOf(name.toLowerCase()) + 1;
  return dateOf([fullYear(year), String(month), day, hour, minute, second], '', zone);
}

function dateOf(parts: readonly (string | undefined)[], fraction: string, zone: string | undefined): Date | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map((part) => Number(part ?? 0));
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, '0'));
  const offsetMinutes = minutesAhead(zone);
  if (offsetMinutes === undefined) return undefined;
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day);
  // An overflow into another month means that the date does not exist.
  if (local.getUTCMonth() !== month - 1 || hour > 24 || minute > 59 || second > 60) return undefined;
  local.setUTCHours(hour, minute, second, milliseconds);
  const date = new Date(local.getTime() - offsetMinutes * MINUTE);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function minutesAhead(zone = 'utc'): number | undefined {
  const [, sign, hours = '0', minutes = '0'] = /([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  if (sign !== undefined) return (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  const known = ZONE_OFFSETS.get(zone.toLowerCase());
  return known === undefined ? undefined : known * 60;
}

/** Expands a two-digit year (RFC 2822, section 4.3). */
function fullYear(year: string): string {
  if (year.length > 2) return year;
  return `${Number(year) < 50 ? '20' : '19'}${year}`;
}
