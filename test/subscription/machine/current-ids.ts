import type { TransitionInput } from '../../../src/subscription/machine/transition-types.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { expectedRequest } from '../../../src/subscription/machine/state.js';

/** An input whose ids may be missing. */
export type BareInput = TransitionInput extends infer Input
  ? Input extends { readonly type: string }
    ? Omit<Input, 'requestId' | 'discoveryId' | 'gapId' | 'dueAt'> & {
        readonly requestId?: string | undefined;
        readonly discoveryId?: string;
        readonly gapId?: string;
        readonly dueAt?: number;
      }
    : never
  : never;

/** The input with the ids that are current in the record, where they are missing. */
export function withCurrentIds(input: BareInput, record: SubscriptionRecord, now: number): TransitionInput {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the missing ids are added here
  return { ...missingIds(input, record, now), ...input } as TransitionInput;
}

/** The id of a grant's current request, else of its open one. */
export function requestIdOf({ currentRequest, pending }: Partial<GrantRecord> = {}): string {
  return currentRequest ?? pending?.id ?? 'no request';
}

function missingIds(input: BareInput, record: SubscriptionRecord, now: number): object {
  const grant = 'grantId' in input ? record.grants.find(({ id }) => id === input.grantId) : undefined;
  switch (input.type) {
    case 'discovered':
    case 'discovery-failed':
    case 'discovery-deferred':
      return { discoveryId: record.currentDiscovery ?? 'no discovery' };
    case 'requested':
    case 'request-deferred':
      return { requestId: requestIdOf(grant) };
    case 'accepted':
    case 'refused':
    case 'unreachable':
    case 'request-lost':
    case 'verification-wrong':
      return { requestId: grant?.pending?.id ?? 'no request' };
    case 'verified':
    case 'handler-refused':
      return { requestId: grant && expectedRequest(grant, input.mode, now) };
    case 'room-found':
    case 'room-missing':
    case 'caught-up':
    case 'catch-up-failed':
    case 'catch-up-skipped':
    case 'catch-up-dropped':
      return { gapId: record.catchUp?.id ?? 'no catch-up' };
    case 'polled':
    case 'poll-failed':
    case 'poll-skipped':
      return { dueAt: record.poll?.at ?? 0 };
    case 'answered':
      return { requestId: grant?.verifiedRequest ?? 'no request' };
    default:
      return {};
  }
}
