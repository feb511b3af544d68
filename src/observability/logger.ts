import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from '../config/schema.js';
import { maskUrlPasswords } from '../config/secret.js';

/** Names under which a secret might be handed to the logger, at the top or one or two objects deep. */
const SECRET_NAMES = [
  'password',
  'passwd',
  'pwd',
  'secret',
  'authorization',
  'token',
  'hash',
  'authenticationString',
];
const REDACTED = SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/**
 * The logger of the process: one JSON object a line on standard output, written synchronously, so that the last words before an
 * exit are not lost. Known secret names are masked, and so are passwords inside URLs in any text.
 * @param stream - in place of standard output
 */
export function createLogger(
  level: LogLevel,
  stream: DestinationStream = destination({ fd: 1, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED, censor: '[secret]' },
      hooks: { streamWrite: maskUrlPasswords },
    },
    stream,
  );
}
