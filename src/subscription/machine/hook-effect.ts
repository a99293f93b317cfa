import type { FailureRecord, GrantRecord } from '../record/record.js';

/** Fields of every hook. */
interface HookBase {
  readonly type: 'hook';
  /** The grant before the transition, if the transition removed it. */
  readonly removedGrant?: GrantRecord | undefined;
}

/** A hook that always concerns a grant. */
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
  /** Another hub that is requested at once because of the denial. */
  readonly nextHub?: string | undefined;
}

interface FailedHook extends HookBase {
  readonly name: 'failed';
  /** Absent if discovery failed. */
  readonly grantId?: string | undefined;
  readonly failure: FailureRecord;
  /** Another hub that is requested at once because of the failure. */
  readonly nextHub?: string | undefined;
}

/** Polling found entries that the hub had not delivered. */
interface HubSilentHook extends HookBase {
  readonly name: 'hub-silent';
  readonly grantId: string;
  /** Number of new entries that it has not delivered. */
  readonly missed: number;
}

/** A hook that a transition triggers. */
export type HookEffect = GrantHook | HubSilentHook | UnsubscribedHook | DeniedHook | FailedHook;

/** The names of the hooks that transitions trigger. */
export type TransitionHook = HookEffect['name'];
