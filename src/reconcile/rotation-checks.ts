import { isLiteralCallback } from './callback-paths.js';
import type { DeclaredService } from './declared-service.js';

/** Why a service's secret cannot be rotated. Undefined if it can. */
export function secretRotationProblem({ secret }: Pick<DeclaredService, 'secret'>): string | undefined {
  if (secret === undefined || secret === 'auto') return undefined;
  return secret === false
    ? "secret is false, so there is no secret to rotate. Set secret to 'auto'."
    : "secret is a fixed string (not shown), which cannot be rotated. Set secret to 'auto'.";
}

/** Why a service's callback cannot be rotated. Undefined if it can. */
export function callbackRotationProblem(
  config: Pick<DeclaredService, 'callback' | 'appendServicePath' | 'servicePath' | 'targets'>,
): string | undefined {
  if (isLiteralCallback(config)) {
    return 'callback is used unchanged, so it cannot be rotated. Set appendServicePath, or omit callback.';
  }
  return config.servicePath !== undefined && config.targets.length <= 1
    ? `servicePath is "${config.servicePath}", the whole path of the callback, so the callback cannot be rotated. Omit servicePath.`
    : undefined;
}
