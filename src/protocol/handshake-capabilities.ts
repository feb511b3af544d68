import { Capability } from './constants.js';

/**
 * What clients are offered: only what the relay can carry. Not offered: compression, query attributes and optional
 * metadata. TLS is offered where there is a certificate.
 *
 * LongPassword stays set, on MariaDB too: there the bit is CLIENT_MYSQL, and clearing it announces extended capabilities
 * (in the greeting's last filler bytes), of which none is offered.
 */
export const CLIENT_CAPABILITIES: number =
  (Capability.LongPassword |
    Capability.FoundRows |
    Capability.LongFlag |
    Capability.ConnectWithDb |
    Capability.NoSchema |
    Capability.Odbc |
    Capability.LocalFiles |
    Capability.IgnoreSpace |
    Capability.Protocol41 |
    Capability.Interactive |
    Capability.IgnoreSigpipe |
    Capability.Transactions |
    Capability.Reserved |
    Capability.SecureConnection |
    Capability.MultiStatements |
    Capability.MultiResults |
    Capability.PsMultiResults |
    Capability.PluginAuth |
    Capability.ConnectAttrs |
    Capability.PluginAuthLenencClientData |
    Capability.CanHandleExpiredPasswords |
    Capability.SessionTrack |
    Capability.DeprecateEof) >>>
  0;
