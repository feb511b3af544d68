/** Not a test: a process that does what a worker tells its parent. The first one comes to serve, the others never do. */
process.on('message', (message: { readonly kind: string; readonly worker?: number }) => {
  if (message.kind === 'serve' && message.worker === 1) process.send?.({ kind: 'ready', facts: {} });
  // Its clients have finished.
  if (message.kind === 'hand_over') process.disconnect();
});
