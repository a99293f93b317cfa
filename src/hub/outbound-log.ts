import { log } from '../log-events.js';
import { shouldLogDebug, type Logger } from '../logger.js';

/** Called with each answer to a request, redirects included. */
export type OnAnswer = (answer: { readonly status: number }) => void;

/** The debug line of an outbound request. */
export interface OutboundLogLine<T> {
  readonly event: 'discovery.ended' | 'hub-request.ended' | 'topic-fetch.ended';
  /** The fields of the request, and of its result if it succeeded. They contain no secret, callback or header. */
  readonly fields: (result?: T) => object;
}

/**
 * Makes a request, and writes a debug line when it ends: the last status, the error's code, and the duration.
 *
 * While debug lines are disabled, it only makes the request.
 *
 * @param request makes the request and calls `onAnswer` for each answer
 */
export async function withDebugLog<T>(
  logger: Logger,
  { event, fields }: OutboundLogLine<T>,
  request: (onAnswer: OnAnswer | undefined) => Promise<T>,
): Promise<T> {
  if (!shouldLogDebug(logger)) return request(undefined);
  const startedAt = performance.now();
  let status: number | undefined;
  let answers = 0;
  const outcomeFields = (): object => ({
    status,
    answers,
    milliseconds: Math.round((performance.now() - startedAt) * 10) / 10,
  });
  try {
    const result = await request((answer) => {
      status = answer.status;
      answers += 1;
    });
    log(logger, event, { ...fields(result), ...outcomeFields() });
    return result;
  } catch (error) {
    log(logger, event, { ...fields(), ...outcomeFields(), ...failureFields(error) });
    throw error;
  }
}

/** The codes of an error and of its cause. Messages may be long and are logged elsewhere. */
function failureFields(error: unknown): object {
  if (!(error instanceof Error)) return { code: typeof error };
  const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : undefined;
  return { code: codeOf(error) ?? error.name, reason, cause: codeOf(error.cause) };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
