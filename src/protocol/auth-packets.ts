import { PayloadWriter } from './payload-writer.js';

/** Authentication methods that the proxy speaks with clients, under their wire names. */
export const AuthPlugin = {
  Native: 'mysql_native_password',
  CachingSha2: 'caching_sha2_password',
} as const;
export type AuthPlugin = (typeof AuthPlugin)[keyof typeof AuthPlugin];

/** Methods by which a client sends its password as it is. */
export const ClearMethod = {
  Clear: 'mysql_clear_password',
  /** MariaDB's for PAM: questions and answers, of which one is enough. */
  Dialog: 'dialog',
} as const;
export type ClearMethod = (typeof ClearMethod)[keyof typeof ClearMethod];

/** Bytes of a scramble (`SCRAMBLE_LENGTH`); on the wire a NUL follows. */
export const SCRAMBLE_LENGTH = 20;

/** One-byte messages of caching_sha2_password. */
export const CachingSha2 = {
  /** From the client: send me your RSA public key. */
  RequestPublicKey: 0x02,
  /** From the server: the response was right. */
  FastAuthOk: 0x03,
  /** From the server: I need the password itself. */
  FullAuthNeeded: 0x04,
} as const;

const AUTH_SWITCH_REQUEST = 0xfe;
const AUTH_MORE_DATA = 0x01;

/**
 * Protocol::AuthSwitchRequest: start again with another method.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_auth_switch_request.html
 */
export function encodeAuthSwitchRequest(sequenceId: number, plugin: AuthPlugin, scramble: Buffer): Buffer {
  // The NUL behind the scramble is part of its form: libmysqlclient refuses any length but 21.
  return new PayloadWriter(48)
    .uint8(AUTH_SWITCH_REQUEST)
    .nulText(plugin)
    .bytes(scramble)
    .uint8(0)
    .packet(sequenceId);
}

/** AuthSwitchRequest to a method that sends the password as it is. */
export function encodeClearSwitchRequest(sequenceId: number, method: ClearMethod): Buffer {
  const writer = new PayloadWriter(48).uint8(AUTH_SWITCH_REQUEST).nulText(method);
  if (method === ClearMethod.Dialog) writer.uint8(DIALOG_PASSWORD).bytes(PROMPT);
  return writer.packet(sequenceId);
}

/** A question whose answer is not shown. MariaDB's library takes this prompt for the connection's own password. */
const DIALOG_PASSWORD = 0x04;
const PROMPT = Buffer.from('Password: ');

/** Protocol::AuthMoreData with one of caching_sha2_password's one-byte messages. */
export function encodeAuthSignal(sequenceId: number, signal: number): Buffer {
  return new PayloadWriter(2).uint8(AUTH_MORE_DATA).uint8(signal).packet(sequenceId);
}

/** Protocol::AuthMoreData with data, such as a public key in PEM form. */
export function encodeAuthMoreData(sequenceId: number, data: Uint8Array): Buffer {
  return new PayloadWriter(data.length + 1).uint8(AUTH_MORE_DATA).bytes(data).packet(sequenceId);
}
