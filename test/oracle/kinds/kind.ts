import type { Flavor } from '../../support/servers.js';
import { ClientStyle, type Hold, type Kind, type Operation } from '../model.js';
import type { Random } from '../random.js';
import { expand } from './vocabulary.js';

export interface KindOptions {
  /** 1 unless given. */
  readonly weight?: number;
  readonly only?: Flavor;
  readonly styles?: readonly ClientStyle[];
  readonly opens?: readonly Hold[];
  readonly showsId?: boolean;
  readonly meanwhile?: NonNullable<Kind['meanwhile']>;
}

export const ALL_STYLES = Object.values(ClientStyle);
/** Clients that can send any command. */
export const RAW = [ClientStyle.Text, ClientStyle.Binary, ClientStyle.Modern];
/** Clients with commands for prepared statements. */
export const BINARY = [ClientStyle.Binary, ClientStyle.Modern];

export function custom(
  name: string,
  make: (random: Random) => readonly Operation[],
  options: KindOptions = {},
): Kind {
  return {
    name,
    weight: options.weight ?? 1,
    only: options.only ?? null,
    styles: options.styles ?? ALL_STYLES,
    opens: options.opens ?? [],
    showsId: options.showsId ?? false,
    make,
    meanwhile: options.meanwhile ?? null,
  };
}

/** One statement, in one of several spellings; `<word>` in it stands for any value of the vocabulary. */
export function sql(name: string, spellings: string | readonly string[], options: KindOptions = {}): Kind {
  const list = typeof spellings === 'string' ? [spellings] : spellings;
  return custom(name, (random) => [query(expand(random.pick(list), random))], options);
}

/** Several statements, one after the other; others may come between them. */
export function sequence(name: string, texts: readonly string[], options: KindOptions = {}): Kind {
  return custom(name, (random) => texts.map((text) => query(expand(text, random))), options);
}

export function query(text: string): Operation {
  return { do: 'query', sql: text };
}
