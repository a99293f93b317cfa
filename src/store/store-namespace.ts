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
  readonly hasOthers: boolean;
  /** The problem with the namespace, if there is one. */
  readonly problem?: string;
}

/**
 * Takes `?namespace=name` out of a store's URI. Everything else is left as it was written.
 *
 * @param question where the parameters begin: at the last question mark of a path, which may have others in its name, and
 *   at the first one of a URL
 */
export function splitNamespace(uri: string, question: number): NamespacedUri {
  const parameters = question === -1 ? [] : uri.slice(question + 1).split('&');
  const own = parameters.filter((parameter) => new URLSearchParams(parameter).has(PARAMETER));
  const [first] = own;
  if (first === undefined) return { uri, hasOthers: false };
  const others = parameters.filter((parameter) => !own.includes(parameter));
  const rest = uri.slice(0, question) + (others.length === 0 ? '' : `?${others.join('&')}`);
  const namespace = new URLSearchParams(first).get(PARAMETER) ?? '';
  const split = { uri: rest, namespace, hasOthers: others.length > 0 };
  if (own.length > 1) return { ...split, problem: 'names several namespaces' };
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
