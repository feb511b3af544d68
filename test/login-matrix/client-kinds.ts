/** Clients as they differ in what they send for a password. */
export interface ClientKind {
  readonly name: string;
  /** `4.0`: protocol 320; `4.1`: before methods had names (PLUGIN_AUTH). */
  readonly protocol: 'named methods' | '4.1' | '4.1 with the old hash' | '4.0';
  /** The method of its first answer. */
  readonly method: string;
  /** Methods that it follows a switch to; any other ends it. */
  readonly knows: readonly string[];
  /**
   * How it sends the password itself, where it is asked to. `guarded`: in clear over TLS and unix sockets, else by RSA, as
   * MySQL's library has it. `clear`: always in clear, as MariaDB's has it. `rsa`: always by RSA.
   */
  readonly sends: 'guarded' | 'clear' | 'rsa';
}

export const NATIVE = 'mysql_native_password';
export const SHA2 = 'caching_sha2_password';
const BOTH = [SHA2, NATIVE];

const named = (name: string, method: string, more: Partial<ClientKind> = {}): ClientKind => ({
  name,
  protocol: 'named methods',
  method,
  knows: BOTH,
  sends: 'guarded',
  ...more,
});

export const KINDS: readonly ClientKind[] = [
  named('native', NATIVE),
  named('native only', NATIVE, { knows: [NATIVE] }),
  named('caching_sha2', SHA2),
  named('caching_sha2, by RSA', SHA2, { sends: 'rsa' }),
  named('caching_sha2, in clear', SHA2, { sends: 'clear' }),
  named('caching_sha2 only', SHA2, { knows: [SHA2] }),
  named('sha256', 'sha256_password'),
  named('clear', 'mysql_clear_password'),
  named('ed25519', 'client_ed25519'),
  named('unknown method', 'authentication_of_tomorrow'),
  named('4.1', NATIVE, { protocol: '4.1', knows: [] }),
  named('4.1, old hash', NATIVE, { protocol: '4.1 with the old hash', knows: [] }),
  named('4.0', NATIVE, { protocol: '4.0', knows: [] }),
];

/** What a client of this kind sends first. */
export function firstAnswer(kind: ClientKind, password: string, respond: (method: string) => Buffer): Buffer {
  switch (kind.method) {
    case NATIVE:
    case SHA2:
      return respond(kind.method);
    case 'mysql_clear_password':
      return Buffer.from(`${password}\0`);
    case 'sha256_password':
      // It first asks for the key, or sends the password in clear where that is safe: here it asks.
      return password === '' ? Buffer.alloc(1) : Buffer.of(1);
    default:
      // A signature of 64 bytes, or whatever.
      return password === '' ? Buffer.alloc(0) : Buffer.alloc(64, 0x5a);
  }
}
