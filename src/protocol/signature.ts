import { createHmac, timingSafeEqual, type Hmac } from 'node:crypto';

/** Algorithms of `X-Hub-Signature` (WebSub section 7.1), the weakest first. */
export const SIGNATURE_ALGORITHMS = ['sha1', 'sha256', 'sha384', 'sha512'] as const;

/** One of them. */
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

/** What a signature header amounts to: the signature that decides, or why there is none. */
export type ReadSignature =
  | { readonly algorithm: SignatureAlgorithm; readonly digest: Buffer }
  | { readonly problem: 'missing' | 'malformed' | 'algorithm' };

const DIGEST_BYTES: Readonly<Record<SignatureAlgorithm, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };
const SIGNATURE = /^\s*([A-Za-z0-9-]{1,16})=([0-9A-Fa-f]{1,256})\s*$/;
const LONGEST_HEADER = 2048;

/**
 * Reads `X-Hub-Signature`, or several signatures separated by commas. Of several the strongest that is allowed decides.
 */
export function readSignature(
  header: string | undefined,
  allowed: readonly SignatureAlgorithm[] = SIGNATURE_ALGORITHMS,
): ReadSignature {
  if (header === undefined || header.trim() === '') return { problem: 'missing' };
  if (header.length > LONGEST_HEADER) return { problem: 'malformed' };
  let best: { algorithm: SignatureAlgorithm; digest: Buffer } | undefined;
  let problem: 'malformed' | 'algorithm' = 'malformed';
  for (const part of header.split(',')) {
    const [, method, hex] = SIGNATURE.exec(part) ?? [];
    if (method === undefined || hex === undefined) continue;
    const algorithm = SIGNATURE_ALGORITHMS.find((known) => known === method.toLowerCase());
    if (algorithm === undefined || !allowed.includes(algorithm)) {
      problem = 'algorithm';
    } else if (hex.length === 2 * DIGEST_BYTES[algorithm] && isStronger(algorithm, best?.algorithm)) {
      best = { algorithm, digest: Buffer.from(hex, 'hex') };
    }
  }
  return best ?? { problem };
}

function isStronger(algorithm: SignatureAlgorithm, than: SignatureAlgorithm | undefined): boolean {
  return than === undefined || DIGEST_BYTES[algorithm] > DIGEST_BYTES[than];
}

/** Takes in a body as it arrives and tells at its end whether one of the secrets signed it. */
export class SignatureCheck {
  readonly #digest: Buffer;
  readonly #hmacs: readonly Hmac[];

  constructor({ algorithm, digest }: Exclude<ReadSignature, { problem: string }>, secrets: readonly string[]) {
    this.#digest = digest;
    this.#hmacs = secrets.map((secret) => createHmac(algorithm, secret));
  }

  update(chunk: Uint8Array): void {
    for (const hmac of this.#hmacs) hmac.update(chunk);
  }

  /** Compares in constant time; to be called once. */
  holds(): boolean {
    let held = false;
    for (const hmac of this.#hmacs) held = timingSafeEqual(hmac.digest(), this.#digest) || held;
    return held;
  }
}

/** How {@link verifySignature} judges. */
export interface VerifySignatureOptions {
  /** Algorithms that are accepted. @default all four */
  readonly algorithms?: readonly SignatureAlgorithm[];
}

/**
 * Whether `X-Hub-Signature` proves that a body was signed with a secret (WebSub section 7.1). Compared in constant time;
 * false for a header that is missing or malformed.
 *
 * @param body the bytes as they were sent, before any decoding
 *
 * @example
 * ```ts
 * const genuine = verifySignature(body, request.headers.get('x-hub-signature'), secret);
 * ```
 */
export function verifySignature(
  body: Uint8Array | string,
  header: string | null | undefined,
  secret: string,
  { algorithms = SIGNATURE_ALGORITHMS }: VerifySignatureOptions = {},
): boolean {
  const signature = readSignature(header ?? undefined, algorithms);
  if ('problem' in signature) return false;
  const check = new SignatureCheck(signature, [secret]);
  check.update(typeof body === 'string' ? Buffer.from(body) : body);
  return check.holds();
}
