/** Not a test: a process that never says how it is configured, as one whose configuration cannot be read to its end. */
process.on('message', () => {});
