/** An error of the proxy's own as the client with this id gets it. */
export function toldTo(client: number, message: string): string {
  return `${message} (client ${client})`;
}

/** The same for a client whose id is not at hand, such as one that was not let in: nothing else before or behind the text. */
export function toldToSomebody(message: string): RegExp {
  return new RegExp(`^${message.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')} \\(client \\d+\\)$`);
}
