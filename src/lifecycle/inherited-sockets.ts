/** A listening socket that somebody else has bound for this process. */
export interface InheritedSocket {
  readonly fd: number;
  /** As `FileDescriptorName=` says it: `http` is for health and metrics, every other one for clients. */
  readonly name: string;
}

/** The first file descriptor that is passed on: sd_listen_fds(3). */
export const FIRST_FD = 3;

export const HTTP_SOCKET = 'http';
export const CLIENT_SOCKET = 'listen';

type Env = Record<string, string | undefined>;

/**
 * The sockets that the environment speaks of, as systemd's socket units and our own parent process pass them on. They are
 * nobody's further down, so that what tells of them is taken out of the environment.
 * @param owners - whom LISTEN_PID may name: a process that has only inherited the variables has not got the sockets
 */
export function inheritedSockets(env: Env, owners: readonly number[]): readonly InheritedSocket[] {
  const { LISTEN_PID: pid, LISTEN_FDS: fds, LISTEN_FDNAMES: names } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (!owners.some((owner) => String(owner) === pid) || fds === undefined || !/^\d{1,4}$/.test(fds))
    return [];
  const named = names?.split(':') ?? [];
  return Array.from({ length: Number(fds) }, (_, i) => ({
    fd: FIRST_FD + i,
    name: named[i] ?? CLIENT_SOCKET,
  }));
}

/** As the environment of a child says it. */
export function socketVariables(sockets: readonly InheritedSocket[], owner: number): Env {
  return {
    LISTEN_PID: String(owner),
    LISTEN_FDS: String(sockets.length),
    LISTEN_FDNAMES: sockets.map(({ name }) => name).join(':'),
  };
}
