#!/usr/bin/env node

// First of all, and before the other modules are even loaded: a password in the arguments must not stay readable for every
// user of the machine (ps, /proc/PID/cmdline). The title overwrites the arguments in the process's own memory.
const words = process.argv.slice(2);
if (words.includes('hash') || words.some((word) => word.includes('://'))) process.title = 'mybouncer';

const { run } = await import('./cli.js');
const code = await run(words, process.env);
// Ends even where a handle was forgotten, yet not before what was printed has gone out.
process.stdout.write('', () => process.exit(code));
