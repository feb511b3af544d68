import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate and its private key, as PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** How long a certificate is good, in days; the process that made it does not live as long. */
const LIFETIME_DAYS = 3_650;
const DAY_MS = 86_400_000;

/**
 * A certificate that nobody has vouched for, as the servers make one for themselves: what is sent under it is encrypted, and
 * who is at the other end is not proven (but to MariaDB's clients, by the password). Elliptic curve P-256, which every client
 * that speaks TLS 1.2 knows; making it takes a millisecond or two.
 *
 * The runtime makes keys and signatures but no certificates. What is missing is the one fixed form below (RFC 5280, 4.1).
 */
export function makeSelfSigned(now: Date = new Date()): CertificatePair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.of(VERSION_3))),
    // A serial number of its own: clients refuse two certificates of one issuer with the same.
    integer(Buffer.concat([Buffer.of(0x01), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    NAME,
    sequence(
      // The clocks of clients differ.
      time(new Date(now.getTime() - DAY_MS)),
      time(new Date(now.getTime() + LIFETIME_DAYS * DAY_MS)),
    ),
    NAME,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(NO_AUTHORITY)),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const certificate = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(signature));
  return { cert: pem('CERTIFICATE', certificate), key: pemOfKey(privateKey) };
}

const VERSION_3 = 2;

const Tag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  ObjectId: 0x06,
  Utf8String: 0x0c,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
  Sequence: 0x30,
  Set: 0x31,
  /** Context-specific, constructed. */
  Explicit: 0xa0,
} as const;

/** DER: tag, length, contents. */
function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const contents = Buffer.concat(parts);
  const size = contents.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), contents]);
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return element(Tag.Sequence, ...parts);
}

function explicit(number: number, part: Uint8Array): Buffer {
  return element(Tag.Explicit + number, part);
}

/** Of bytes whose first has its highest bit clear: a positive number. */
function integer(bytes: Uint8Array): Buffer {
  return element(Tag.Integer, bytes);
}

function bitString(bytes: Uint8Array): Buffer {
  return element(Tag.BitString, Buffer.of(0), bytes);
}

function objectId(hex: string): Buffer {
  return element(Tag.ObjectId, Buffer.from(hex, 'hex'));
}

/** RFC 5280 wants two digits of the year up to 2049. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return date.getUTCFullYear() < 2050
    ? element(Tag.UtcTime, Buffer.from(digits.slice(2), 'latin1'))
    : element(Tag.GeneralizedTime, Buffer.from(digits, 'latin1'));
}

/** ecdsa-with-SHA256, 1.2.840.10045.4.3.2 */
const ECDSA_WITH_SHA256 = sequence(objectId('2a8648ce3d040302'));

/** commonName, 2.5.4.3. Issuer and subject, which makes it self-signed. */
const NAME = sequence(
  element(
    Tag.Set,
    sequence(objectId('550403'), element(Tag.Utf8String, Buffer.from('MyBouncer self-signed certificate'))),
  ),
);

/** basicConstraints, 2.5.29.19, critical: it vouches for no other certificate. */
const NO_AUTHORITY = sequence(
  objectId('551d13'),
  element(Tag.Boolean, Buffer.of(0xff)),
  element(Tag.OctetString, sequence()),
);

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function pemOfKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
