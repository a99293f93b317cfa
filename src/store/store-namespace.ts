/** The URI parameter that names the namespace. */
const PARAMETER = 'namespace';

const NAME = /^[\w.-]{1,64}$/;

/** The parts of a store's URI. */
export interface NamespacedUri {
  /** The URI without the namespace parameter; the original URI when it has none. */
  readonly uri: string;
  /** Undefined when the URI names none: records then use the keys of the default namespace. */
  readonly namespace?: string;
  /** Whether the URI has other parameters besides the namespace; false when it names no namespace. */
  readonly hasOtherParameters: boolean;
  /** The problem with the namespace, if any. */
  readonly problem?: string;
}

/**
 * Removes `?namespace=name` from a store's URI. The rest of the URI stays unchanged.
 *
 * @param parametersAt index of the question mark before the parameters, or -1. In a URL it is the first one. In a path
 *   it is the last one, because file names may contain others.
 */
export function splitNamespace(uri: string, parametersAt: number): NamespacedUri {
  const parameters = parametersAt === -1 ? [] : uri.slice(parametersAt + 1).split('&');
  const namespaceParameters = parameters.filter((parameter) => new URLSearchParams(parameter).has(PARAMETER));
  const [first] = namespaceParameters;
  if (first === undefined) return { uri, hasOtherParameters: false };
  const others = parameters.filter((parameter) => !namespaceParameters.includes(parameter));
  const remainingUri = uri.slice(0, parametersAt) + (others.length === 0 ? '' : `?${others.join('&')}`);
  const namespace = new URLSearchParams(first).get(PARAMETER) ?? '';
  const split = { uri: remainingUri, namespace, hasOtherParameters: others.length > 0 };
  if (namespaceParameters.length > 1) return { ...split, problem: 'has several namespaces' };
  if (!NAME.test(namespace)) {
    return {
      ...split,
      problem: `has the namespace ${JSON.stringify(namespace.slice(0, 80))}; it must be 1 to 64 letters, digits, '.', '_' and '-'`,
    };
  }
  return split;
}

/**
 * Returns the prefix of every key in a namespace. Capitals become `+` and the small letter, because MySQL compares keys
 * without case.
 */
export function namespacePrefix(namespace: string): string {
  return namespace.replaceAll(/[A-Z]/g, (letter) => `+${letter.toLowerCase()}`);
}
