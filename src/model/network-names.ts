/** The networks of a destination, for adapters that name those of their source. */

/** The one of this name; an environment may put a kind before it, such as `bridge:br0`. */
export const networkThere = (networks: readonly string[], name: string): string | undefined =>
  networks.find((other) => other === name) ?? networks.find((other) => other.endsWith(`:${name}`));
