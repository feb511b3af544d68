import { Command } from '../protocol/constants.js';
import { ReplyShape } from '../protocol/reply-tracker.js';

/** What happens to a client's command. */
export const Policy = {
  /** Answered here; the server never sees it. */
  Local: 'local',
  /** Sent to a session as it is. */
  Forward: 'forward',
  /** SQL text: looked at, then sent or answered here. */
  Query: 'query',
  /** Names a prepared statement whose id must be translated. */
  Statement: 'statement',
  /** Makes no sense on a session that is shared, or could not be followed. */
  Refuse: 'refuse',
} as const;
export type Policy = (typeof Policy)[keyof typeof Policy];

export interface CommandRule {
  readonly name: string;
  readonly policy: Policy;
  readonly shape: ReplyShape;
  /** Why it is refused. */
  readonly refusal?: string;
}

const rule = (name: string, policy: Policy, shape: ReplyShape = ReplyShape.Ok): CommandRule => ({
  name,
  policy,
  shape,
});
const refuse = (name: string, refusal: string): CommandRule => ({
  name,
  policy: Policy.Refuse,
  shape: ReplyShape.Ok,
  refusal,
});

const REPLICATION = 'replication needs a connection of its own: connect to the server directly';
const OBSOLETE = 'the server has given it up';

const RULES: Readonly<Record<number, CommandRule>> = {
  [Command.Quit]: rule('COM_QUIT', Policy.Local),
  [Command.InitDb]: rule('COM_INIT_DB', Policy.Forward),
  [Command.Query]: rule('COM_QUERY', Policy.Query, ReplyShape.ResultSet),
  [Command.FieldList]: rule('COM_FIELD_LIST', Policy.Forward, ReplyShape.Fields),
  [Command.CreateDb]: refuse('COM_CREATE_DB', OBSOLETE),
  [Command.DropDb]: refuse('COM_DROP_DB', OBSOLETE),
  [Command.Refresh]: rule('COM_REFRESH', Policy.Forward),
  [Command.Shutdown]: refuse('COM_SHUTDOWN', 'the server is stopped on a direct connection'),
  [Command.Statistics]: rule('COM_STATISTICS', Policy.Forward, ReplyShape.Text),
  [Command.ProcessInfo]: rule('COM_PROCESS_INFO', Policy.Forward, ReplyShape.ResultSet),
  [Command.ProcessKill]: rule('COM_PROCESS_KILL', Policy.Local),
  [Command.Debug]: rule('COM_DEBUG', Policy.Forward, ReplyShape.Eof),
  [Command.Ping]: rule('COM_PING', Policy.Local),
  [Command.ChangeUser]: rule('COM_CHANGE_USER', Policy.Local),
  [Command.BinlogDump]: refuse('COM_BINLOG_DUMP', REPLICATION),
  [Command.TableDump]: refuse('COM_TABLE_DUMP', REPLICATION),
  [Command.RegisterSlave]: refuse('COM_REGISTER_SLAVE', REPLICATION),
  [Command.BinlogDumpGtid]: refuse('COM_BINLOG_DUMP_GTID', REPLICATION),
  [Command.StmtPrepare]: rule('COM_STMT_PREPARE', Policy.Query, ReplyShape.Prepare),
  [Command.StmtExecute]: rule('COM_STMT_EXECUTE', Policy.Statement, ReplyShape.ResultSet),
  [Command.StmtSendLongData]: rule('COM_STMT_SEND_LONG_DATA', Policy.Statement),
  [Command.StmtClose]: rule('COM_STMT_CLOSE', Policy.Local),
  [Command.StmtReset]: rule('COM_STMT_RESET', Policy.Statement),
  [Command.StmtFetch]: rule('COM_STMT_FETCH', Policy.Statement, ReplyShape.Rows),
  [Command.SetOption]: rule('COM_SET_OPTION', Policy.Local, ReplyShape.Eof),
  [Command.ResetConnection]: rule('COM_RESET_CONNECTION', Policy.Local),
};

/** The rule for a command byte, or undefined when no server knows it either. */
export function ruleFor(command: number): CommandRule | undefined {
  return RULES[command];
}
