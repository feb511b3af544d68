import type { LexerContext } from '../sql/lexer-context.js';
import type { RememberedStatement } from '../sql/statement-memory.js';
import type { ClientStatement } from './client-statement.js';
import type { StatementDigest } from './digest-table.js';

/**
 * The SQL of a command as its client has written it, until the command is over; one object per client, filled anew for each
 * command that runs a statement. What is kept of the statement beyond the command hangs on one of its parts.
 */
export class AskedText {
  /** Neither a text nor a prepared statement. */
  isNone = true;
  statement: ClientStatement | null = null;
  remembered: RememberedStatement<StatementDigest> | null = null;
  /** The text, `[start, end)`, where neither of the two is there. */
  buf: Buffer = EMPTY;
  start = 0;
  end = 0;
  context: LexerContext | null = null;
  /** Only the text's beginning is there. */
  isCut = false;

  /** The command is over, and holds nothing of which its text would have to be told. */
  forget(): void {
    this.isNone = true;
    this.statement = null;
    this.remembered = null;
    this.buf = EMPTY;
    this.start = 0;
    this.end = 0;
  }

  execute(statement: ClientStatement): void {
    this.isNone = false;
    this.statement = statement;
  }

  query(
    remembered: RememberedStatement<StatementDigest> | null,
    buf: Buffer,
    start: number,
    end: number,
    context: LexerContext,
    isCut = false,
  ): void {
    this.isNone = false;
    this.statement = null;
    this.remembered = remembered;
    this.buf = buf;
    this.start = start;
    this.end = end;
    this.context = context;
    this.isCut = isCut;
  }
}

const EMPTY = Buffer.alloc(0);
