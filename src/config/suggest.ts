/** Names that users of PgBouncer, of MySQL's own tools and of other proxies try first. */
const KNOWN_AS: Readonly<Record<string, string>> = {
  default_pool_size: 'pool_size',
  max_connections: 'pool_size',
  max_db_connections: 'pool_size',
  max_user_connections: 'pool_size',
  pool_max: 'pool_size',
  max_clients: 'max_client_conn',
  listen_addr: 'listen',
  listen_port: 'listen',
  bind: 'listen',
  port: 'listen',
  socket: 'listen',
  unix_socket_dir: 'listen',
  database: 'upstream',
  databases: 'upstream',
  database_url: 'upstream',
  server: 'upstream',
  host: 'upstream',
  backend: 'upstream',
  auth_file: 'users',
  userlist: 'users',
  user: 'users',
  auth_user: 'users',
  verbose: 'log_level',
  server_connect_retry: 'server_login_retry',
  connect_timeout: 'server_connect_timeout',
  max_held_share: 'max_held',
  unsafe: 'on_unsafe',
  get_lock: 'user_lock',
  lock_tables: 'table_lock',
  temp_table: 'temporary_table',
  prepare: 'text_prepare',
  set_role: 'role',
};

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours each cost one. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row[j] = best;
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/**
 * The name most likely meant by an unknown one, or null. Compared in snake_case; the answer is one of `names` as it is given.
 */
export function suggest(unknown: string, names: readonly string[]): string | null {
  const wanted = unknown.toLowerCase().replaceAll('-', '_').slice(0, 64);
  const alias = KNOWN_AS[wanted];
  if (alias !== undefined && names.includes(alias)) return alias;
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(wanted.length * 0.34)) + 1;
  for (const name of names) {
    const distance = editDistance(wanted, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}
