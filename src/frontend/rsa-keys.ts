import { KeyObject, webcrypto } from 'node:crypto';

/** Bytes of what a client encrypts with a 2048 bit key. */
export const RSA_CIPHERTEXT_LENGTH = 256;

export interface RsaKeyPair {
  /** The public key in PEM form, as clients want it. */
  readonly publicPem: Buffer;
  /** RSA-OAEP with SHA-1, which is what every MySQL client uses; null when `data` does not decrypt. */
  decrypt(data: Buffer): Promise<Buffer | null>;
}

/**
 * The key pair that clients encrypt their password with when the connection itself is not encrypted. It is made when a client
 * first asks (a tenth of a second or more) and then kept; making it and decrypting happen on Node's thread pool.
 */
export class RsaKeys {
  #pair: Promise<RsaKeyPair> | null = null;

  get(): Promise<RsaKeyPair> {
    this.#pair ??= generate().catch((error: unknown) => {
      this.#pair = null;
      throw error;
    });
    return this.#pair;
  }
}

async function generate(): Promise<RsaKeyPair> {
  const algorithm = {
    name: 'RSA-OAEP',
    modulusLength: RSA_CIPHERTEXT_LENGTH * 8,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-1',
  };
  const pair = await webcrypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt']);
  const pem = KeyObject.from(pair.publicKey).export({ type: 'spki', format: 'pem' });
  return {
    publicPem: Buffer.from(pem),
    decrypt: (data) => decrypt(pair.privateKey, data),
  };
}

async function decrypt(key: webcrypto.CryptoKey, data: Buffer): Promise<Buffer | null> {
  try {
    return Buffer.from(await webcrypto.subtle.decrypt({ name: 'RSA-OAEP' }, key, data));
  } catch (error) {
    // Whatever a client sends that is not made with this key ends here, and only that.
    if (error instanceof DOMException && error.name === 'OperationError') return null;
    throw error;
  }
}
