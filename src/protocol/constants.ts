/**
 * Numbers of the MySQL client/server protocol, under the names MySQL's documentation gives them
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html and
 * https://mariadb.com/kb/en/clientserver-protocol/).
 */

/** Bytes of a packet header: 3 of payload length, 1 of sequence id. */
export const HEADER_SIZE = 4;

/** A packet with this payload length is continued by the next one (protocol basics: packets over 16 MiB). */
export const MAX_PACKET_PAYLOAD = 0xffffff;

/** First payload byte of generic replies. In a result set, 0xFE ends it only in a packet shorter than 16 MiB. */
export const Reply = {
  Ok: 0x00,
  LocalInfile: 0xfb,
  Eof: 0xfe,
  Err: 0xff,
} as const;

/** Command bytes (`enum_server_command`). */
export const Command = {
  Sleep: 0x00,
  Quit: 0x01,
  InitDb: 0x02,
  Query: 0x03,
  FieldList: 0x04,
  CreateDb: 0x05,
  DropDb: 0x06,
  Refresh: 0x07,
  Shutdown: 0x08,
  Statistics: 0x09,
  ProcessInfo: 0x0a,
  Connect: 0x0b,
  ProcessKill: 0x0c,
  Debug: 0x0d,
  Ping: 0x0e,
  Time: 0x0f,
  DelayedInsert: 0x10,
  ChangeUser: 0x11,
  BinlogDump: 0x12,
  TableDump: 0x13,
  ConnectOut: 0x14,
  RegisterSlave: 0x15,
  StmtPrepare: 0x16,
  StmtExecute: 0x17,
  StmtSendLongData: 0x18,
  StmtClose: 0x19,
  StmtReset: 0x1a,
  SetOption: 0x1b,
  StmtFetch: 0x1c,
  Daemon: 0x1d,
  BinlogDumpGtid: 0x1e,
  ResetConnection: 0x1f,
} as const;
export type Command = (typeof Command)[keyof typeof Command];

/** Capability flags (`CLIENT_*`), the 32 bits both servers share. */
export const Capability = {
  LongPassword: 0x1,
  FoundRows: 0x2,
  LongFlag: 0x4,
  ConnectWithDb: 0x8,
  NoSchema: 0x10,
  Compress: 0x20,
  Odbc: 0x40,
  LocalFiles: 0x80,
  IgnoreSpace: 0x100,
  Protocol41: 0x200,
  Interactive: 0x400,
  Ssl: 0x800,
  IgnoreSigpipe: 0x1000,
  Transactions: 0x2000,
  Reserved: 0x4000,
  SecureConnection: 0x8000,
  MultiStatements: 0x10000,
  MultiResults: 0x20000,
  PsMultiResults: 0x40000,
  PluginAuth: 0x80000,
  ConnectAttrs: 0x100000,
  PluginAuthLenencClientData: 0x200000,
  CanHandleExpiredPasswords: 0x400000,
  SessionTrack: 0x800000,
  DeprecateEof: 0x1000000,
  OptionalResultsetMetadata: 0x2000000,
  ZstdCompression: 0x4000000,
  QueryAttributes: 0x8000000,
  MultiFactorAuth: 0x10000000,
  RememberOptions: 0x80000000,
} as const;

/** Status flags of OK and EOF packets (`SERVER_STATUS_*`). */
export const Status = {
  InTransaction: 0x1,
  Autocommit: 0x2,
  MoreResultsExist: 0x8,
  NoGoodIndexUsed: 0x10,
  NoIndexUsed: 0x20,
  CursorExists: 0x40,
  LastRowSent: 0x80,
  DbDropped: 0x100,
  NoBackslashEscapes: 0x200,
  MetadataChanged: 0x400,
  QueryWasSlow: 0x800,
  PsOutParams: 0x1000,
  InTransactionReadonly: 0x2000,
  SessionStateChanged: 0x4000,
  /** MariaDB only. */
  AnsiQuotes: 0x8000,
} as const;

/** Entry types of the session state information in an OK packet (`enum_session_state_type`). */
export const SessionTrack = {
  SystemVariables: 0,
  Schema: 1,
  StateChange: 2,
  Gtids: 3,
  TransactionCharacteristics: 4,
  TransactionState: 5,
} as const;

/** `COM_STMT_EXECUTE` flags (`enum_cursor_type`). */
export const CursorFlag = {
  NoCursor: 0,
  ReadOnly: 1,
  ForUpdate: 2,
  Scrollable: 4,
  ParameterCountAvailable: 8,
} as const;

/** `COM_SET_OPTION` values. */
export const SetOption = { MultiStatementsOn: 0, MultiStatementsOff: 1 } as const;

/** Collation ids that have a meaning to the proxy itself. */
export const Collation = {
  Latin1SwedishCi: 8,
  Utf8mb4GeneralCi: 45,
  Binary: 63,
  Utf8mb4_0900AiCi: 255,
} as const;

/** Server error numbers that the proxy sends or recognises, with the SQLSTATE the servers give them. */
export const ServerError = {
  ConCount: { errno: 1040, sqlState: '08004' },
  Handshake: { errno: 1043, sqlState: '08S01' },
  DbAccessDenied: { errno: 1044, sqlState: '42000' },
  HostNotPrivileged: { errno: 1130, sqlState: 'HY000' },
  AccessDenied: { errno: 1045, sqlState: '28000' },
  NoDb: { errno: 1046, sqlState: '3D000' },
  UnknownCommand: { errno: 1047, sqlState: '08S01' },
  BadDb: { errno: 1049, sqlState: '42000' },
  ServerShutdown: { errno: 1053, sqlState: '08S01' },
  UnsupportedPrepare: { errno: 1295, sqlState: 'HY000' },
  Parse: { errno: 1064, sqlState: '42000' },
  KillDenied: { errno: 1095, sqlState: 'HY000' },
  UnknownSystemVariable: { errno: 1193, sqlState: 'HY000' },
  IncorrectGlobalLocalVar: { errno: 1238, sqlState: 'HY000' },
  WrongValueForVariable: { errno: 1231, sqlState: '42000' },
  OptionPreventsStatement: { errno: 1290, sqlState: 'HY000' },
  QueryInterrupted: { errno: 1317, sqlState: '70100' },
  /** What is rolled back, and may be begun anew: the one that drivers and frameworks retry by. */
  LockDeadlock: { errno: 1213, sqlState: '40001' },
  NoOpenCursor: { errno: 1421, sqlState: 'HY000' },
  NoSuchThread: { errno: 1094, sqlState: 'HY000' },
  UnknownError: { errno: 1105, sqlState: 'HY000' },
  NetPacketTooLarge: { errno: 1153, sqlState: '08S01' },
  NetPacketsOutOfOrder: { errno: 1156, sqlState: '08S01' },
  MalformedPacket: { errno: 1835, sqlState: 'HY000' },
  LockWaitTimeout: { errno: 1205, sqlState: 'HY000' },
  TooManyUserConnections: { errno: 1203, sqlState: '42000' },
  WrongArguments: { errno: 1210, sqlState: 'HY000' },
  UserLimitReached: { errno: 1226, sqlState: '42000' },
  UnknownStatement: { errno: 1243, sqlState: 'HY000' },
  NotSupportedYet: { errno: 1235, sqlState: '42000' },
  ReadOnlyTransaction: { errno: 1792, sqlState: '25006' },
  NetRead: { errno: 1158, sqlState: '08S01' },
  NetReadInterrupted: { errno: 1159, sqlState: '08S01' },
  SecureTransportRequired: { errno: 3159, sqlState: 'HY000' },
  /** MariaDB's. Drivers and frameworks take it for a connection that is gone, and open another. */
  ConnectionKilled: { errno: 1927, sqlState: '08S01' },
  /** MySQL's: the connection was idle for too long. */
  ClientInteractionTimeout: { errno: 4031, sqlState: 'HY000' },
  ConnectToForeign: { errno: 1429, sqlState: 'HY000' },
  /** A client library's own numbers. libmariadb takes an ERR with one of them for malformed, and its text is lost. */
  CannotConnect: { errno: 2003, sqlState: 'HY000' },
} as const;
export type ServerErrorKind = (typeof ServerError)[keyof typeof ServerError];
