import type { Operation } from './model.js';

/** One connection of one side. */
export interface OracleClient {
  /** The id that the greeting said. */
  readonly id: number;
  /** The connection has ended, by an error or by the other side. */
  readonly dead: boolean;
  /** Everything that is to be seen of it, in lines; an error is one of them. */
  perform(operation: Operation, showsId: boolean): Promise<readonly string[]>;
  destroy(): void;
}

export const CONNECTION_LOST = 'the connection ended';
