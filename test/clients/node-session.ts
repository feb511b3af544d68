import {
  Checks,
  createStatements,
  dropStatements,
  same,
  type Target,
  targetFromEnvironment,
} from './checks.js';

export type Value = string | number | bigint | boolean | Buffer | null;

/** What an OK says. */
export interface Changed {
  readonly affectedRows: number;
  readonly insertId: number;
  readonly warningStatus: number;
}

export interface Statement {
  /** @returns the rows; none where it has no row set */
  query(values: Value[]): Promise<Value[][]>;
  change(values: Value[]): Promise<Changed>;
  close(): Promise<void> | void;
}

/** What the connections of the npm drivers have in common. */
export interface DriverConnection {
  readonly threadId: number | null;
  beginTransaction(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  ping(): Promise<void>;
  reset(): Promise<void>;
  changeUser(login: Login): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  end(): Promise<void>;
  destroy(): void;
}

export interface Login {
  readonly user: string;
  readonly password: string;
  readonly database?: string;
}

/** A connection of one of the npm drivers, which return the same things in two ways. */
export abstract class Session<C extends DriverConnection = DriverConnection> {
  readonly connection: C;

  constructor(connection: C) {
    this.connection = connection;
  }

  /** @returns the rows; none where there is no row set */
  abstract query(sql: string, values?: Value[]): Promise<Value[][]>;
  /** As {@link query}, through the binary protocol. */
  abstract execute(sql: string, values?: Value[]): Promise<Value[][]>;
  abstract change(sql: string, values?: Value[]): Promise<Changed>;
  abstract executeChange(sql: string, values: Value[]): Promise<Changed>;
  /** The row sets among the results of a statement: what is left out are the OKs. */
  abstract rowSets(sql: string): Promise<unknown[]>;
  abstract executeRowSets(sql: string, values: Value[]): Promise<unknown[]>;
  /** The first column's name beside the rows. */
  abstract named(sql: string, values: Value[]): Promise<{ rows: Value[][]; name: string | undefined }>;
  abstract prepare(sql: string): Promise<Statement>;
  /** A statement that stays prepared in the way that is usual with this driver. */
  abstract keep(sql: string): Promise<Statement>;

  get threadId(): number | null {
    return this.connection.threadId;
  }

  beginTransaction(): Promise<void> {
    return this.connection.beginTransaction();
  }

  commit(): Promise<void> {
    return this.connection.commit();
  }

  rollback(): Promise<void> {
    return this.connection.rollback();
  }

  /** From now on the connection may break. */
  mayBreak(): void {
    this.connection.on('error', () => undefined);
  }

  end(): Promise<void> {
    return this.connection.end();
  }

  destroy(): void {
    this.connection.destroy();
  }
}

/** What a connection has that is not as usual. */
export interface Unusual {
  readonly password?: string;
  readonly database?: string;
  readonly collation?: string;
  readonly multipleStatements?: boolean;
}

export type Connect<S extends Session> = (changed?: Unusual) => Promise<S>;

/** Where the checks of one driver take place: two connections, and more where a check needs them. */
export class Scene<S extends Session> {
  readonly target: Target;
  readonly checks: Checks;
  readonly connect: Connect<S>;
  readonly a: S;
  readonly b: S;

  private constructor(target: Target, checks: Checks, connect: Connect<S>, a: S, b: S) {
    this.target = target;
    this.checks = checks;
    this.connect = connect;
    this.a = a;
    this.b = b;
  }

  /** Connects, which is the first check, and makes the tables. */
  static async open<S extends Session>(connect: (target: Target) => Connect<S>): Promise<Scene<S>> {
    const target = targetFromEnvironment();
    const connectTo = connect(target);
    const [a, b] = [await connectTo(), await connectTo()];
    const scene = new Scene(target, new Checks(), connectTo, a, b);
    await scene.check('connect', async () => {
      same(await a.query('SELECT 1, DATABASE(), @@character_set_client'), [[1, target.schema, 'utf8mb4']]);
      same(await value(a, 'SELECT CONNECTION_ID()'), a.threadId);
      same(await value(b, 'SELECT CONNECTION_ID()'), b.threadId);
      same(a.threadId === b.threadId, false);
    });
    for (const sql of createStatements(target.tables)) await a.query(sql);
    return scene;
  }

  get tables(): Target['tables'] {
    return this.target.tables;
  }

  check(name: string, body: () => Promise<void>): Promise<void> {
    return this.checks.check(name, body);
  }

  /** How many items have this id, as one of the connections sees it. */
  counted(session: S, id: number): Promise<Value | undefined> {
    return value(session, `SELECT COUNT(*) FROM ${this.tables.items} WHERE id = ${id}`);
  }

  /** A check with two connections of its own: what it does keeps a server session for as long as they live. */
  async checkPair(name: string, body: (x: S, y: S) => Promise<void>): Promise<void> {
    await this.check(name, async () => {
      const [x, y] = [await this.connect(), await this.connect()];
      try {
        await body(x, y);
      } finally {
        x.destroy();
        y.destroy();
      }
    });
  }

  /** Ends the process. */
  async close(): Promise<never> {
    for (const sql of dropStatements(this.tables)) await this.b.query(sql);
    await this.b.end();
    process.exit(this.checks.failed ? 1 : 0);
  }
}

/** First column of the first row. */
export async function value(session: Session, sql: string): Promise<Value | undefined> {
  return (await session.query(sql))[0]?.[0];
}
