import type { ServerInfo } from '../session/server-info.js';

/** How many connections a server and an account of it may have. */
export interface ServerRoom {
  readonly maxConnections: number;
  /** Of the account that asked; null where it has none of its own, nor the server one for all accounts. */
  readonly accountLimit: number | null;
}

/** What a proxy wants of it. */
export interface RoomRules {
  /** Left to others, of max_connections: a share of it (from 0 to 1, and at least {@link LEAST_RESERVE}) or so many. */
  readonly reserve: { readonly share: number } | { readonly count: number };
  /** Connections of each proxy's own, besides the pool. */
  readonly own: number;
  /** Whether all sessions are of the account that asked: its limit says nothing of other accounts. */
  readonly oneAccount: boolean;
}

/** One proxy among those that share the server. */
export interface FleetPlace {
  readonly members: number;
  /** From 0. */
  readonly rank: number;
}

/** A proxy's own connections, per account: one that carries KILLs, and at times one over which definitions are read. */
export const OWN_CONNECTIONS = 2;

export const ALONE: FleetPlace = { members: 1, rank: 0 };

const LEAST_RESERVE = 5;

/** Connections left to others. */
export function reserveOf({ maxConnections }: ServerRoom, { reserve }: RoomRules): number {
  if ('count' in reserve) return reserve.count;
  return Math.max(LEAST_RESERVE, Math.ceil(maxConnections * reserve.share));
}

/**
 * Sessions for the pool of one proxy, at least 1. The parts of all members add up to what there is; where there are several
 * accounts in a fleet, all are taken to be under the limit of this one.
 */
export function poolSizeFor(room: ServerRoom, rules: RoomRules, place: FleetPlace): number {
  const { accountLimit } = room;
  const ofServer = partOf(room.maxConnections - reserveOf(room, rules), place);
  const ofAccount =
    rules.oneAccount && accountLimit !== null ? partOf(accountLimit, place) : Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(ofServer, ofAccount) - rules.own);
}

/** The first ones get what cannot be divided. */
export function partOf(whole: number, { members, rank }: FleetPlace): number {
  return Math.floor(whole / members) + (rank < whole % members ? 1 : 0);
}

/**
 * The statement that tells, for an account without any privilege. MariaDB's @@session.max_user_connections is that of all
 * accounts once the session was reset.
 */
export function roomQueries({ flavor }: Pick<ServerInfo, 'flavor'>): readonly string[] {
  const limits =
    'SELECT @@global.max_connections, @@global.max_user_connections, @@session.max_user_connections LIMIT 1';
  return flavor === 'mariadb' ? [limits, 'SHOW GRANTS'] : [limits];
}

type Rows = readonly (readonly (string | null)[])[];

/** @param replies of {@link roomQueries}, in order */
export function roomOf({ flavor }: Pick<ServerInfo, 'flavor'>, replies: readonly Rows[]): ServerRoom {
  const [connections, ofAll, ofSession] = replies[0]?.[0] ?? [];
  const own = flavor === 'mariadb' ? limitInGrants(replies[1] ?? []) : Number(ofSession);
  const limit = own > 0 ? own : Number(ofAll);
  return { maxConnections: Number(connections), accountLimit: limit > 0 ? limit : null };
}

function limitInGrants(rows: Rows): number {
  for (const [grant] of rows) {
    const [, limit] = / WITH (?:.* )?MAX_USER_CONNECTIONS (\d+)/.exec(grant ?? '') ?? [];
    if (limit !== undefined) return Number(limit);
  }
  return 0;
}
