import { createHmac, timingSafeEqual, type Hmac, type KeyObject } from 'node:crypto';

/**
 * Algorithms of `X-Hub-Signature` (WebSub section 7.1), weakest first.
 *
 * Quirk(Google): signs with sha1. We accept sha1 unless the configuration drops it (PROTOCOL C2).
 */
export const SIGNATURE_ALGORITHMS = ['sha1', 'sha256', 'sha384', 'sha512'] as const;

/** An algorithm of `X-Hub-Signature` (WebSub section 7.1). */
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

/** A received signature. The length of its digest fits the algorithm. */
interface ReceivedSignature {
  readonly algorithm: SignatureAlgorithm;
  readonly hex: string;
}

/** The result of parsing a signature header: the signature to check, or why there is none. */
export type ParsedSignature = ReceivedSignature | { readonly problem: 'missing' | 'malformed' | 'algorithm' };

const DIGEST_BYTES: Readonly<Record<SignatureAlgorithm, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };
const ALGORITHM_BY_METHOD: ReadonlyMap<string, SignatureAlgorithm> = new Map(
  SIGNATURE_ALGORITHMS.map((name) => [name, name]),
);
const SIGNATURE = /^\s*([A-Za-z0-9-]{1,16})=([0-9A-Fa-f]{1,256})\s*$/;
const MAX_HEADER_LENGTH = 2048;

/**
 * Parses `X-Hub-Signature`, which may contain several signatures separated by commas. The strongest allowed one
 * decides.
 */
export function parseSignature(
  header: string | undefined,
  allowed: readonly SignatureAlgorithm[] = SIGNATURE_ALGORITHMS,
): ParsedSignature {
  if (header === undefined || header.trim() === '') return { problem: 'missing' };
  if (header.length > MAX_HEADER_LENGTH) return { problem: 'malformed' };
  if (!header.includes(',')) return parseOne(header, allowed);
  let best: ParsedSignature = { problem: 'malformed' };
  for (const part of header.split(',')) best = stronger(best, parseOne(part, allowed));
  return best;
}

function parseOne(part: string, allowed: readonly SignatureAlgorithm[]): ParsedSignature {
  const match = SIGNATURE.exec(part);
  if (match === null) return { problem: 'malformed' };
  const { 1: method = '', 2: hex = '' } = match;
  const algorithm = ALGORITHM_BY_METHOD.get(method) ?? ALGORITHM_BY_METHOD.get(method.toLowerCase());
  if (algorithm === undefined || !allowed.includes(algorithm)) return { problem: 'algorithm' };
  // Quirk(websub.rocks): its wrong signature is the right one with four digits appended. We check the length before we
  // compare.
  return hex.length === 2 * DIGEST_BYTES[algorithm] ? { algorithm, hex } : { problem: 'malformed' };
}

/**
 * Returns the stronger of two results, the first if equal. The problem `algorithm` outranks `malformed`: it says more.
 */
function stronger(one: ParsedSignature, other: ParsedSignature): ParsedSignature {
  if ('problem' in other) return 'problem' in one && other.problem === 'algorithm' ? other : one;
  if ('problem' in one) return other;
  return DIGEST_BYTES[other.algorithm] > DIGEST_BYTES[one.algorithm] ? other : one;
}

/** Buffers for the two digests to compare. */
interface DigestBuffers {
  readonly sent: Buffer;
  readonly expected: Buffer;
}

/** Reused for every comparison: allocating buffers costs more than comparing. */
const DIGEST_BUFFERS: Readonly<Record<SignatureAlgorithm, DigestBuffers>> = {
  sha1: createDigestBuffers('sha1'),
  sha256: createDigestBuffers('sha256'),
  sha384: createDigestBuffers('sha384'),
  sha512: createDigestBuffers('sha512'),
};

function createDigestBuffers(algorithm: SignatureAlgorithm): DigestBuffers {
  const bytes = DIGEST_BYTES[algorithm];
  return { sent: Buffer.alloc(bytes), expected: Buffer.alloc(bytes) };
}

/** Hashes a body as it arrives, and checks at its end whether one of the secrets signed it. */
export class SignatureCheck {
  readonly #signature: ReceivedSignature;
  readonly #hmacs: readonly Hmac[];

  constructor(signature: ReceivedSignature, secrets: readonly (KeyObject | string)[]) {
    this.#signature = signature;
    this.#hmacs = secrets.map((secret) => createHmac(signature.algorithm, secret));
  }

  update(chunk: Uint8Array): void {
    for (const hmac of this.#hmacs) hmac.update(chunk);
  }

  /** Compares in constant time. Call only once. */
  isValid(): boolean {
    const { algorithm, hex } = this.#signature;
    const { sent, expected } = DIGEST_BUFFERS[algorithm];
    sent.write(hex, 'hex');
    let isMatch = false;
    for (const hmac of this.#hmacs) {
      // Digests as a string, which costs less than allocating a buffer.
      expected.write(hmac.digest('binary'), 'latin1');
      isMatch = timingSafeEqual(expected, sent) || isMatch;
    }
    return isMatch;
  }
}

/**
 * Options of {@link verifySignature}.
 *
 * @example
 * ```ts
 * const options: VerifySignatureOptions = { algorithms: ['sha256', 'sha384', 'sha512'] };
 * ```
 */
export interface VerifySignatureOptions {
  /** Accepted algorithms. @default all four */
  readonly algorithms?: readonly SignatureAlgorithm[];
}

/**
 * Whether `X-Hub-Signature` proves that a body was signed with a secret (WebSub section 7.1). Compares in constant
 * time. Returns false for a missing or malformed header. Of several signatures, the strongest accepted one decides.
 *
 * @param body the bytes as sent, before any decoding; a string counts as its UTF-8 bytes
 * @param header the value of `X-Hub-Signature`
 * @param secret the secret of the subscription
 *
 * @example
 * ```ts
 * const isGenuine = verifySignature(body, request.headers.get('x-hub-signature'), secret);
 * ```
 */
export function verifySignature(
  body: Uint8Array | string,
  header: string | null | undefined,
  secret: string,
  { algorithms = SIGNATURE_ALGORITHMS }: VerifySignatureOptions = {},
): boolean {
  const signature = parseSignature(header ?? undefined, algorithms);
  if ('problem' in signature) return false;
  const check = new SignatureCheck(signature, [secret]);
  check.update(typeof body === 'string' ? Buffer.from(body) : body);
  return check.isValid();
}
