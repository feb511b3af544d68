import * as z from 'zod';
import { AddressList } from './address-list.js';
import { parsePasswordHash } from './password-hash.js';
import { flag, listOf, notEmpty, parsed, secret, timeLimit, wholeNumber } from './value-schemas.js';

/** As JSON schema: an object in which the key stands. */
const having = (name: string) => ({
  type: 'object',
  properties: { [name]: { type: 'string' } },
  required: [name],
});

const passwordFile = () => parsed(notEmpty).optional();

function addresses() {
  return listOf((text): string => {
    // Only to see whether it can be read.
    new AddressList().add(text);
    return text;
  }).transform((texts): AddressList => {
    const list = new AddressList();
    for (const text of texts) list.add(text);
    return list;
  });
}

const ownLimit = (key: string) => timeLimit().optional().describe(`For this user in place of \`${key}\`.`);

/** One entry of `users:`. What its keys demand of each other is checked by `userMistakes`. */
export const userSchema = z
  .strictObject(
    {
      name: parsed(notEmpty).describe('The name that clients log in with.'),
      password: secret()
        .optional()
        .describe('The password that clients log in with. `""` is the empty password.'),
      password_file: passwordFile().describe(
        'A file with the password in its first line, such as a Docker or Kubernetes secret. A relative path starts at the directory of the configuration file. A change is taken in within seconds, for new connections of clients and to the server; a file that cannot be read or is empty changes nothing, and one log line says so.',
      ),
      hash: parsed(parsePasswordHash)
        .optional()
        .describe(
          'In place of the password: what the server has of it, or what `mybouncer hash` prints. `$A$005$…` (also as `0x` and hexadecimal digits): the `authentication_string` of a `caching_sha2_password` account; the first login after a start is a full authentication. `sha256:` and 64 hexadecimal digits, SHA256(SHA256(password)): every login is a fast one. Both need `server_user`. `*` and 40 hexadecimal digits: that of a `mysql_native_password` account; its clients must use that method, and without `server_user` the proxy logs in to the server by what they prove, which takes an account with the same method there: MariaDB, or MySQL up to 8.4.',
        ),
      old_password: secret()
        .optional()
        .describe(
          'A second password that clients may use as well, while `password` takes its place everywhere. Where the server refuses the new one, the proxy logs in there with this one, and tries the new one again every minute.',
        ),
      old_password_file: passwordFile().describe('As `password_file`, for `old_password`.'),
      old_hash: parsed(parsePasswordHash)
        .optional()
        .describe('As `hash`, for the password that is being replaced.'),
      server_user: parsed(notEmpty)
        .optional()
        .describe(
          'The account on the server that this user works as. Without it: the same name and password. Users with the same `server_user` and password share server sessions.',
        ),
      server_password: secret().optional().describe('The password of `server_user`.'),
      server_password_file: passwordFile().describe('As `password_file`, for `server_password`.'),
      allowed_addresses: addresses()
        .optional()
        .describe(
          'Where clients of this user may come from: a list of addresses (`10.1.2.3`, `::1`), networks (`10.0.0.0/8`, `fd00::/8`) and `unix` for the unix socket. Others get error 1045, as for a wrong password, or 1130 where no user may come from there.',
        ),
      certificate: parsed(notEmpty)
        .optional()
        .describe(
          'The common name (CN) of a client certificate: only over TLS, and with a certificate of exactly this name that `tls_client_ca` vouches for, may clients log in as this user, or change to it, besides its password. Others get error 1045, as for a wrong password, over a unix socket, too. Needs `tls_mode: verify`.',
        ),
      schemas: listOf(notEmpty)
        .optional()
        .describe(
          'Schemas (databases) that clients of this user may choose, at the login, by `USE` and by changing the user; any other gets error 1044. A guard rail, not a wall: `schema.table` is not looked at. What an account may see is up to the server (GRANT).',
        ),
      read_only: flag()
        .optional()
        .describe(
          '`true`: the sessions of this user begin with `transaction_read_only` on, so that the server itself refuses what writes (error 1792), inside routines, too; and statements that would end that (`START TRANSACTION READ WRITE`, `SET transaction_read_only = 0` and the like) are refused with error 1290. A guard rail, not a wall: for temporary tables it makes no difference, and SQL has ways around it. Give the account no privilege to write.',
        ),
      query_timeout: ownLimit('query_timeout'),
      transaction_timeout: ownLimit('transaction_timeout'),
      idle_transaction_timeout: ownLimit('idle_transaction_timeout'),
      client_idle_timeout: ownLimit('client_idle_timeout'),
      max_client_conn: wholeNumber(1, 1_000_000)
        .optional()
        .describe(
          'Client connections of this user at most, besides the limit for all; one more is refused with error 1226.',
        ),
    },
    {
      error: (issue) =>
        issue.code === 'invalid_type' ? 'must be a map with a name and a password' : undefined,
    },
  )
  .meta({
    oneOf: [having('password'), having('password_file'), having('hash')],
    dependencies: {
      server_password: ['server_user'],
      server_password_file: ['server_user'],
    },
  });

/** A user as written in the file. */
export type UserEntry = z.output<typeof userSchema>;

export const USER_KEYS = Object.keys(userSchema.shape);
