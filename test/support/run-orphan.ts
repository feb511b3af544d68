/** Loaded before each test file: when the runner is gone (killed, say), the file does not go on alone. */
process.once('disconnect', () => process.exit(1));
// It waits for the end of the channel, but is no reason to stay.
process.channel?.unref();
