import { isLiteralCallback } from './callback-paths.js';
import type { DeclaredService } from './declared-service.js';

/** Why a service's secret cannot be rotated. Undefined if it can. */
export function secretRotationProblem({ secret }: Pick<DeclaredService, 'secret'>): string | undefined {
  if (secret === undefined || secret === 'auto') return undefined;
  return secret === false
    ? "secret is false, so there is none to rotate: set secret to 'auto'."
    : "secret is a fixed string (not shown), which cannot be rotated: set secret to 'auto'.";
}

/** Why a service's callback cannot be rotated. Undefined if it can. */
export function callbackRotationProblem(
  config: Pick<DeclaredService, 'callback' | 'appendServicePath' | 'servicePath' | 'targets'>,
): string | undefined {
  if (isLiteralCallback(config)) {
    return 'callback is taken literally, so it cannot be rotated: set appendServicePath, or leave callback out.';
  }
  return config.servicePath !== undefined && config.targets.length <= 1
    ? `servicePath "${config.servicePath}" is the whole path of the callback, so it cannot be rotated: leave servicePath out.`
    : undefined;
}
