/** What a network error says, its parts included: `connect ECONNREFUSED 127.0.0.1:80`. */
export function networkFailure(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(networkFailure).join(', ');
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  return 'code' in error ? String(error.code) : error.name;
}
