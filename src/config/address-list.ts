import { BlockList, isIP } from 'node:net';
import { InvalidValue, quoteValue } from './problem.js';

/** Where clients may come from: networks, addresses, and the unix socket. */
export class AddressList {
  readonly #networks = new BlockList();
  #unix = false;

  /** @throws InvalidValue for anything but `10.0.0.0/8`, `10.1.2.3`, `fd00::/8`, `::1` and `unix` */
  add(text: string): void {
    if (text === 'unix') {
      this.#unix = true;
      return;
    }
    const [, address = '', prefixText] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const version = isIP(address);
    const hint = text === 'localhost' ? ' (did you mean 127.0.0.1, ::1 or unix?)' : '';
    if (version === 0 || address.includes('%')) {
      throw new InvalidValue(
        `${quoteValue(text)} is not an address such as 10.1.2.3, a network such as 10.0.0.0/8 or fd00::/8, or unix${hint}`,
      );
    }
    const bits = version === 4 ? 32 : 128;
    const prefix = prefixText === undefined ? bits : Number(prefixText);
    if (prefix > bits) throw new InvalidValue(`${quoteValue(text)} has a prefix of more than ${bits} bits`);
    this.#networks.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6');
  }

  /** What {@link add} was told, in one form. */
  get rules(): readonly string[] {
    const networks = this.#networks.rules.map((rule) => rule.replace(/^.* /, ''));
    return [...networks, ...(this.#unix ? ['unix'] : [])];
  }

  /** @param host - an address, IPv4 rather than IPv6-mapped; `localhost` for the unix socket */
  allows(host: string): boolean {
    if (host === 'localhost') return this.#unix;
    const zone = host.indexOf('%');
    const address = zone < 0 ? host : host.slice(0, zone);
    const version = isIP(address);
    return version !== 0 && this.#networks.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }
}
