import type { FailureRecord, GrantRecord } from '../record/record.js';

/** Fields of every hook. */
interface HookBase {
  readonly type: 'hook';
  /** The grant as it was, where the transition has forgotten it. */
  readonly removedGrant?: GrantRecord | undefined;
}

/** A hook that always tells of a grant. */
interface GrantHook extends HookBase {
  readonly name: 'requested' | 'verified' | 'renewed' | 'expired' | 'hub-moved' | 'topic-moved';
  readonly grantId: string;
}

interface UnsubscribedHook extends HookBase {
  readonly name: 'unsubscribed';
  readonly grantId?: string | undefined;
}

interface DeniedHook extends HookBase {
  readonly name: 'denied';
  readonly grantId: string;
  readonly failure: FailureRecord;
  /** Another hub that is asked at once, because of the denial. */
  readonly nextHub?: string | undefined;
}

interface FailedHook extends HookBase {
  readonly name: 'failed';
  /** Absent where discovery failed. */
  readonly grantId?: string | undefined;
  readonly failure: FailureRecord;
  /** Another hub that is asked at once, because of the failure. */
  readonly nextHub?: string | undefined;
}

/** A hook that a transition gives rise to. */
export type HookEffect = GrantHook | UnsubscribedHook | DeniedHook | FailedHook;

/** The hooks that transitions give rise to. */
export type TransitionHook = HookEffect['name'];
