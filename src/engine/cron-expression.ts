import { onDemand } from '../on-demand.js';

/** What is wrong with a cron expression, in words; undefined where it is right. */
export function cronProblem(expression: string): string | undefined {
  const { CronTime, validateCronExpression } = onDemand('cron');
  const { valid, error } = validateCronExpression(expression);
  if (!valid) return error?.message ?? 'it cannot be read';
  try {
    new CronTime(expression).sendAt();
    return undefined;
  } catch {
    // 30 February is well formed.
    return 'there is no such day';
  }
}
