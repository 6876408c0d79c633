/** A descriptor as its machines, with the rules of what was found. */
import { parseDescriptor } from '../../../src/packages/ovf/descriptor.ts';

export function readOvf(bytes: Uint8Array, name: string) {
  const { version, networks, findings, machines } = parseDescriptor(bytes, name);
  return {
    ...{ version, networks, rules: findings.map(({ rule }) => rule) },
    machines: machines.map(({ findings: found, ...rest }) => ({
      ...rest,
      rules: found.map(({ rule }) => rule),
    })),
  };
}
