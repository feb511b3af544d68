/**
 * The reader leads no group: it is in the group of the command, which it kills together with itself. It is no child of the
 * command, which would have to wonder whose it is. No ` ;`, which begins a comment in supervisor's configuration.
 */
const SCRIPT = 'exec 3<&0; ( (read -r line <&3; kill -KILL 0) >/dev/null 2>&1 & ); exec "$@" </dev/null 3<&-';

/**
 * The words of a command that does not outlive whoever holds the other end of its standard input, and neither does anything
 * else in its process group: the kernel itself closes that end, whatever has ended the holder, a SIGKILL included. It must be
 * started as the leader of a group, with a pipe for its input, which the command itself does not get to see.
 */
export function watched(words: readonly string[]): readonly [string, ...string[]] {
  return ['sh', '-c', SCRIPT, 'watched', ...words];
}
