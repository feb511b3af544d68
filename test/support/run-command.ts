import { CommanderError } from 'commander';

/**
 * Runs a program of the tests, which ends with the code that `main` comes to. Commander has told by itself what is wrong with
 * the arguments, and printed `--help`.
 *
 * @param usage - the code for wrong arguments
 */
export async function runCommand(main: () => Promise<number>, usage: number): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : usage;
  }
}
