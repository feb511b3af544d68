import { existsSync } from 'node:fs';

/** What container runtimes put into the file system of each container: Docker, and Podman. */
const CONTAINER_MARKS = ['/.dockerenv', '/run/.containerenv'];

/**
 * Whether this process has all rights on a machine that is not its own. In a container root is root of little, and often the
 * image's only user.
 */
export function hasNeedlessRights(
  uid: number | null = process.getuid?.() ?? null,
  env: Readonly<Record<string, string | undefined>> = process.env,
  marks: readonly string[] = CONTAINER_MARKS,
): boolean {
  if (uid !== 0 || env['KUBERNETES_SERVICE_HOST'] !== undefined || env['container'] !== undefined)
    return false;
  return !marks.some((path) => existsSync(path));
}
