import { Capability } from './constants.js';
import { type ConnectAttributes, decodeName, NO_ATTRIBUTES, readAttributes } from './handshake-text.js';
import { PayloadReader } from './payload-reader.js';

/** COM_CHANGE_USER. */
export interface ChangeUserCommand {
  readonly user: string;
  /**
   * Answer to the login's scramble; a view into the packet. libmysqlclient and MariaDB's library leave it empty and wait for an
   * AuthSwitchRequest, so empty does not mean "no password" here.
   */
  readonly authResponse: Buffer;
  /** null when the client names none. */
  readonly schema: string | null;
  /** Collation id, two bytes here; null when the client leaves it out (the connection's stays). */
  readonly collation: number | null;
  readonly plugin: string | null;
  readonly attributes: ConnectAttributes;
}

/**
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html
 *
 * @param payload with its command byte
 * @param capabilities what client and proxy agreed on
 * @param current the connection's collation, which names are in when the packet has none
 * @throws MalformedPacketError
 */
export function decodeChangeUser(payload: Buffer, capabilities: number, current: number): ChangeUserCommand {
  const reader = new PayloadReader(payload);
  reader.skip(1);
  const userBytes = reader.nulBytes();
  const secure = (capabilities & Capability.SecureConnection) !== 0;
  const authResponse = secure ? reader.bytes(reader.uint8()) : reader.nulBytes();
  const schemaBytes = reader.nulBytes();
  const collation = reader.remaining >= 2 ? reader.uint16() : null;
  const withPlugin = (capabilities & Capability.PluginAuth) !== 0 && reader.remaining > 0;
  const plugin = withPlugin ? reader.nulBytes().toString('utf8') : null;
  const attributes = (capabilities & Capability.ConnectAttrs) !== 0 ? readAttributes(reader) : NO_ATTRIBUTES;
  return {
    user: decodeName(userBytes, collation ?? current),
    authResponse,
    schema: schemaBytes.length === 0 ? null : decodeName(schemaBytes, collation ?? current),
    collation,
    plugin,
    attributes,
  };
}
