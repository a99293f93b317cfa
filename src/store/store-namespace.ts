/** The parameter of a store's URI that names the namespace. */
const PARAMETER = 'namespace';

const NAME = /^[\w.-]{1,64}$/;

/** A store's URI in parts. */
export interface NamespacedUri {
  /** The URI without the parameter; as it was given where it has none. */
  readonly uri: string;
  /** Undefined where the URI names none: records then have the keys they always had. */
  readonly namespace?: string;
  /** Whether it has other parameters beside a namespace. */
  readonly hasOtherParameters: boolean;
  /** The problem with the namespace, if there is one. */
  readonly problem?: string;
}

/**
 * Takes `?namespace=name` out of a store's URI. Everything else is left as it was written.
 *
 * @param parametersAt where the parameters begin: at the last question mark of a path, which may have others in its name, and
 *   at the first one of a URL
 */
export function splitNamespace(uri: string, parametersAt: number): NamespacedUri {
  const parameters = parametersAt === -1 ? [] : uri.slice(parametersAt + 1).split('&');
  const namespaceParameters = parameters.filter((parameter) => new URLSearchParams(parameter).has(PARAMETER));
  const [first] = namespaceParameters;
  if (first === undefined) return { uri, hasOtherParameters: false };
  const others = parameters.filter((parameter) => !namespaceParameters.includes(parameter));
  const rest = uri.slice(0, parametersAt) + (others.length === 0 ? '' : `?${others.join('&')}`);
  const namespace = new URLSearchParams(first).get(PARAMETER) ?? '';
  const split = { uri: rest, namespace, hasOtherParameters: others.length > 0 };
  if (namespaceParameters.length > 1) return { ...split, problem: 'names several namespaces' };
  if (!NAME.test(namespace)) {
    return {
      ...split,
      problem: `has the namespace ${JSON.stringify(namespace.slice(0, 80))}; it must be 1 to 64 letters, digits, '.', '_' and '-'`,
    };
  }
  return split;
}

/**
 * The beginning of every key in a namespace. Capitals are written as `+` and the small letter, because MySQL compares keys
 * without case.
 */
export function namespacePrefix(namespace: string): string {
  return namespace.replaceAll(/[A-Z]/g, (letter) => `+${letter.toLowerCase()}`);
}
