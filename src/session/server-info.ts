/** What the proxy knows of the real server, as its own greeting said it: it is what clients are greeted with. */
export interface ServerInfo {
  readonly flavor: 'mariadb' | 'mysql';
  /** The version exactly as the server's greeting has it, such as `5.5.5-10.11.19-MariaDB-0+deb12u1` or `9.7.4`. */
  readonly versionText: string;
  /** major * 10000 + minor * 100 + patch, such as 101119 or 90704; without MariaDB's `5.5.5-` prefix. */
  readonly versionNumber: number;
  /** Id of the server's default collation, as the greeting's one byte gives it (its lower eight bits). */
  readonly collation: number;
  /** Capability flags of the server's greeting (unsigned 32 bits). */
  readonly capabilities: number;
}
