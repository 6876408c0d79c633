/**
 * Unified kernel images (UAPI Group, "Unified Kernel Image"): a PE program whose sections are the kernel, its
 * initramfs and its command line.
 */
import { plainText } from '../../text.ts';
import type { Reader } from '../reader.ts';

export interface Section {
  readonly offset: number;
  readonly length: number;
}

export interface UnifiedImage {
  readonly release?: string;
  readonly title?: string;
  readonly arguments?: string;
  readonly initramfs?: Section;
}

const headBytes = 4096;
const sectionBytes = 40;
const maxSections = 96;
const maxTextBytes = 16 * 1024;

/** Undefined for what is none. @throws AppError only where the reader does. */
export async function readUnifiedImage(reader: Reader): Promise<UnifiedImage | undefined> {
  const head = await reader.read(0, Math.min(headBytes, reader.size));
  const sections = sectionsIn(head, reader.size);
  if (!sections.has('.linux')) return undefined;
  const text = async (name: string): Promise<string | undefined> => {
    const section = sections.get(name);
    if (section === undefined) return undefined;
    const bytes = await reader.read(section.offset, Math.min(section.length, maxTextBytes));
    return bytes
      .toString('utf8')
      .replace(/\0[\s\S]*$/, '')
      .trim();
  };
  const release = await text('.uname');
  const title = /^PRETTY_NAME="?(.*?)"?$/m.exec((await text('.osrel')) ?? '')?.[1];
  const words = await text('.cmdline');
  const initramfs = sections.get('.initrd');
  return {
    ...(release ? { release: plainText(release) } : {}),
    ...(title ? { title: plainText(title) } : {}),
    ...(words ? { arguments: words } : {}),
    ...(initramfs === undefined ? {} : { initramfs }),
  };
}

/** PE format: offset of its header at 60; sections behind the optional header, what is stored cut to what is used. */
function sectionsIn(head: Buffer, size: number): Map<string, Section> {
  const found = new Map<string, Section>();
  if (head.length < 64 || head.toString('latin1', 0, 2) !== 'MZ') return found;
  const pe = head.readUInt32LE(60);
  if (pe + 24 > head.length || head.toString('latin1', pe, pe + 4) !== 'PE\0\0') return found;
  const count = Math.min(head.readUInt16LE(pe + 6), maxSections);
  const first = pe + 24 + head.readUInt16LE(pe + 20);
  for (
    let at = first;
    at < first + count * sectionBytes && at + sectionBytes <= head.length;
    at += sectionBytes
  ) {
    const name = head.toString('latin1', at, at + 8).replace(/\0.*$/, '');
    const offset = head.readUInt32LE(at + 20);
    const length = Math.min(head.readUInt32LE(at + 8), head.readUInt32LE(at + 16));
    if (offset + length <= size && !found.has(name)) found.set(name, { offset, length });
  }
  return found;
}
