import * as z from 'zod';
import { parseCachingSha2Hash } from './password-hash.js';
import { notEmpty, parsed, secret, timeLimit, wholeNumber } from './value-schemas.js';

/** As JSON schema: an object in which the key stands. */
const having = (name: string) => ({
  type: 'object',
  properties: { [name]: { type: 'string' } },
  required: [name],
});

const ownLimit = (key: string) => timeLimit().optional().describe(`For this user in place of \`${key}\`.`);

/** One entry of `users:`. What its keys demand of each other is checked by `userMistakes`. */
export const userSchema = z
  .strictObject(
    {
      name: parsed(notEmpty).describe('The name that clients log in with.'),
      password: secret()
        .optional()
        .describe('The password that clients log in with. `""` is the empty password.'),
      password_file: parsed(notEmpty)
        .optional()
        .describe(
          'A file with the password in its first line, such as a Docker or Kubernetes secret. A relative path starts at the directory of the configuration file.',
        ),
      hash: parsed(parseCachingSha2Hash)
        .optional()
        .describe(
          'In place of the password: the `authentication_string` of a `caching_sha2_password` account, as it is (`$A$005$…`) or as `0x` and hexadecimal digits.',
        ),
      server_user: parsed(notEmpty)
        .optional()
        .describe(
          'The account on the server that this user works as. Without it: the same name and password.',
        ),
      server_password: secret().optional().describe('The password of `server_user`.'),
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
      hash: ['server_user'],
      server_user: ['server_password'],
      server_password: ['server_user'],
    },
  });

/** A user as written in the file. */
export type UserEntry = z.output<typeof userSchema>;

export const USER_KEYS = Object.keys(userSchema.shape);
