interface Last {
  server: number;
  sequence: number;
}

/** Replication domains kept; an installation has one, or one for each primary. */
const MAX_DOMAINS = 64;

/**
 * What was written on MariaDB: the last transaction of each replication domain, of which the text is `domain-server-sequence,…`.
 * Numbers of a domain go up whichever server writes, and replicas apply a domain in order.
 */
export class MariaDbPosition {
  readonly #domains = new Map<number, Last>();

  /**
   * Takes in what the tracker has reported of `last_gtid`. Replies of several connections come in any order.
   * @returns false when it cannot be read: then nothing is known of what was written
   */
  add(text: string): boolean {
    const gtid = GTID.exec(text);
    if (gtid === null) return false;
    const domain = Number(gtid[1]);
    const server = Number(gtid[2]);
    const sequence = Number(gtid[3]);
    if (!Number.isSafeInteger(sequence)) return false;
    const last = this.#domains.get(domain);
    if (last === undefined) {
      if (this.#domains.size === MAX_DOMAINS) return false;
      this.#domains.set(domain, { server, sequence });
    } else if (sequence > last.sequence) {
      last.server = server;
      last.sequence = sequence;
    }
    return true;
  }

  toString(): string {
    return [...this.#domains]
      .map(([domain, { server, sequence }]) => `${domain}-${server}-${sequence}`)
      .join(',');
  }
}

const GTID = /^(\d+)-(\d+)-(\d+)$/;
