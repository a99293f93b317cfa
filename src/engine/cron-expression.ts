import { onDemand } from '../on-demand.js';

/** The problem of a cron expression, in words. Undefined if it is valid. */
export function cronProblem(expression: string): string | undefined {
  const { CronTime, validateCronExpression } = onDemand('cron');
  const { valid, error } = validateCronExpression(expression);
  if (!valid) return error?.message ?? 'it is not a cron expression';
  try {
    new CronTime(expression).sendAt();
    return undefined;
  } catch {
    // 30 February is well formed, but never comes.
    return 'the date never occurs';
  }
}
