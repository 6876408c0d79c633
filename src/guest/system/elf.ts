/** The architecture that a program was built for, from the first bytes of its ELF header. */

/** e_machine in the System V ABI and its supplements. */
const machines: Readonly<Record<number, string>> = {
  2: 'sparc',
  3: 'i686',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  43: 'sparc64',
  50: 'ia64',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv64',
  258: 'loongarch64',
};

/** Bytes of a file that are enough for `elfArchitecture`. */
export const elfHeadBytes = 64;

export function elfArchitecture(head: Buffer): string | undefined {
  if (head.length < 20 || head.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const little = head[5] === 1;
  const name = machines[little ? head.readUInt16LE(18) : head.readUInt16BE(18)];
  return name === 'ppc64' && little ? 'ppc64le' : name;
}
