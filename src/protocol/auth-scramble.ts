import { hash, timingSafeEqual } from 'node:crypto';

type Algorithm = 'sha1' | 'sha256';

/**
 * The arithmetic of the two challenge-response methods, seen from the side that checks. What is kept of a password is its
 * double hash ("digest"); neither it nor anything on the wire gives the password away.
 */

const NATIVE_RESPONSE_LENGTH = 20;
const SHA2_RESPONSE_LENGTH = 32;

/** Lengths of a response that is not that of the empty password. */
export const ResponseLength = { Native: NATIVE_RESPONSE_LENGTH, CachingSha2: SHA2_RESPONSE_LENGTH } as const;

/** SHA1(SHA1(password)): what mysql_native_password checks against. */
export function nativeDigest(password: string | Buffer): Buffer {
  return hash('sha1', hash('sha1', password, 'buffer'), 'buffer');
}

/** SHA256(SHA256(password)): what caching_sha2_password's fast authentication checks against. */
export function sha2Digest(password: string | Buffer): Buffer {
  return hash('sha256', hash('sha256', password, 'buffer'), 'buffer');
}

/**
 * SHA1(password), as the client sends it under the mask of the scramble: null where `response` is another one than
 * SHA1(password) XOR SHA1(scramble + digest). Takes a time that does not depend on the digest. It is all that a login on a
 * server with this digest needs.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html
 */
export function recoverNative(response: Buffer, scramble: Buffer, digest: Buffer): Buffer | null {
  if (response.length !== NATIVE_RESPONSE_LENGTH) return null;
  const stage1 = Buffer.allocUnsafeSlow(NATIVE_RESPONSE_LENGTH);
  unmask('sha1', scramble, digest, response, stage1);
  return isHashOf('sha1', stage1, digest) ? stage1 : null;
}

/** Whether `response` proves the password of this digest: see {@link recoverNative}. */
export function verifyNative(response: Buffer, scramble: Buffer, digest: Buffer): boolean {
  return recoverNative(response, scramble, digest) !== null;
}

/**
 * What MariaDB's clients (from 11.4) know a certificate by that nobody vouches for: only who knows the password's digest could
 * have made it for the certificate that they were shown. The info of the OK that ends a login, or a COM_CHANGE_USER, by
 * mysql_native_password: 0x01, then SHA256(digest + scramble + fingerprint) as hexadecimal digits.
 * `run_plugin_auth` in MariaDB Connector/C, plugins/auth/my_auth.c.
 * @param fingerprint SHA-256 of the certificate
 */
export function certificateProof(digest: Buffer, scramble: Buffer, fingerprint: Buffer): Buffer {
  const proof = hash('sha256', Buffer.concat([digest, scramble, fingerprint]), 'hex');
  return Buffer.from(`\x01${proof.toUpperCase()}`, 'latin1');
}

/**
 * Whether `response` = SHA256(password) XOR SHA256(digest + scramble); mind the other order of the two.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
 */
export function verifyCachingSha2(response: Buffer, scramble: Buffer, digest: Buffer): boolean {
  if (response.length !== SHA2_RESPONSE_LENGTH) return false;
  unmask('sha256', digest, scramble, response, SHA2_STAGE1);
  const isRight = isHashOf('sha256', SHA2_STAGE1, digest);
  SHA2_STAGE1.fill(0);
  return isRight;
}

const SHA2_STAGE1 = Buffer.alloc(SHA2_RESPONSE_LENGTH);
/** Nearly always of the same length. */
let maskInput = Buffer.alloc(0);

/** `response` XOR hash(first + second). Hashes are asked for as text: a Buffer for each made a login's two take 3.6 µs, not 2.5. */
function unmask(algorithm: Algorithm, first: Buffer, second: Buffer, response: Buffer, into: Buffer): void {
  const length = first.length + second.length;
  if (maskInput.length !== length) maskInput = Buffer.alloc(length);
  maskInput.set(first, 0);
  maskInput.set(second, first.length);
  const mask = hash(algorithm, maskInput, 'binary');
  for (let i = 0; i < into.length; i++) into[i] = (response[i] as number) ^ mask.charCodeAt(i);
}

const FOUND = { sha1: Buffer.alloc(NATIVE_RESPONSE_LENGTH), sha256: Buffer.alloc(SHA2_RESPONSE_LENGTH) };

function isHashOf(algorithm: Algorithm, bytes: Buffer, digest: Buffer): boolean {
  const found = FOUND[algorithm];
  found.write(hash(algorithm, bytes, 'binary'), 'latin1');
  return timingSafeEqual(found, digest);
}

/** XORs `key`, repeated as often as needed, into `target` in place. */
export function xorInto(target: Buffer, key: Buffer): void {
  for (let i = 0; i < target.length; i++) {
    target[i] = (target[i] as number) ^ (key[i % key.length] as number);
  }
}
