/** A kernel's image: its kind, architecture and version, from its header. */
import { type Reader, readerOf } from '../reader.ts';

export interface KernelImage {
  readonly kind: 'bzImage' | 'elf' | 'arm64-image' | 'efi-zboot' | 'riscv-image' | 'gzip';
  readonly architecture?: string;
  /** The whole release, such as `6.1.0-18-amd64`. */
  readonly release?: string;
  /** x86: has an entry for UEFI of 64 bits (`CONFIG_EFI_STUB`, boot protocol 2.12). */
  readonly efi64?: boolean;
}

const headBytes = 4096;
const setupHeaderMagic = 'HdrS';
const machines: Readonly<Record<number, string>> = {
  3: 'i686',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv64',
  258: 'loongarch64',
};

/** Undefined for what is no kernel that is known here. @throws AppError only where the reader does. */
export async function readKernelImage(bytes: Buffer | Reader): Promise<KernelImage | undefined> {
  const reader = readerOf(bytes, 'kernel');
  const head = await reader.read(0, Math.min(headBytes, reader.size));
  if (head.length < 64) return undefined;
  if (head.toString('latin1', 0x202, 0x206) === setupHeaderMagic) return bzImage(reader, head);
  if (head.toString('latin1', 0, 4) === '\x7fELF') {
    const name = machines[head[5] === 1 ? head.readUInt16LE(18) : head.readUInt16BE(18)];
    const architecture = name === 'ppc64' && head[5] === 1 ? 'ppc64le' : name;
    return { kind: 'elf', ...(architecture === undefined ? {} : { architecture }) };
  }
  // Documentation/arch/arm64/booting.rst, arch/riscv/boot-image-header.rst
  if (head.toString('latin1', 56, 60) === 'ARM\x64') return { kind: 'arm64-image', architecture: 'aarch64' };
  if (head.toString('latin1', 56, 60) === 'RSC\x05') return { kind: 'riscv-image', architecture: 'riscv64' };
  if (head.toString('latin1', 0, 2) === 'MZ' && head.toString('latin1', 4, 8) === 'zimg') return zboot(head);
  // A vmlinuz of arm64 before 6.1 is a packed Image.
  if (head[0] === 0x1f && head[1] === 0x8b) return { kind: 'gzip' };
  return undefined;
}

/** Documentation/arch/x86/boot.rst: kernel_version at 0x20e counts from 0x200; xloadflags at 0x236, bit 0: 64 bits. */
async function bzImage(reader: Reader, head: Buffer): Promise<KernelImage> {
  const protocol = head.readUInt16LE(0x206);
  const flags = protocol >= 0x20c ? head.readUInt16LE(0x236) : 0;
  const at = head.readUInt16LE(0x20e) + 0x200;
  const room = Math.min(256, reader.size - at);
  const text = at > 0x200 && room > 0 ? (await reader.read(at, room)).toString('latin1') : '';
  const release = /^[0-9][!-~]*/.exec(text)?.[0];
  return {
    kind: 'bzImage',
    ...(protocol >= 0x20c
      ? { architecture: (flags & 1) !== 0 ? 'x86_64' : 'i686', efi64: (flags & 8) !== 0 }
      : {}),
    ...(release === undefined ? {} : { release }),
  };
}

/** drivers/firmware/efi/libstub/zboot-header.S: a PE program that unpacks; the COFF header names the machine. */
function zboot(head: Buffer): KernelImage {
  const pe = head.readUInt32LE(60);
  const coff: Readonly<Record<number, string>> = { 43620: 'aarch64', 20580: 'riscv64', 25188: 'loongarch64' };
  const architecture = pe + 6 <= head.length ? coff[head.readUInt16LE(pe + 4)] : undefined;
  return { kind: 'efi-zboot', ...(architecture === undefined ? {} : { architecture }) };
}
