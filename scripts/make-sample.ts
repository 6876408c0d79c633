/**
 * Makes samples/vmferry-sample.ova, a machine to try vmferry with: it boots, says so on the screen and on the first
 * serial port, and halts. Run: npx tsx scripts/make-sample.ts [folder]
 *
 * The disk, 64 MiB:  MBR | … | FAT16 partition from sector 2048: boot sector, 2 FATs, root folder, README.TXT
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vmdkCodec } from '../src/codecs/vmdk/index.ts';
import { memorySource } from '../src/io/byte-source.ts';
import { sourceDisk } from '../src/io/disk.ts';
import { fileSink } from '../src/io/file-sink.ts';
import type { Machine } from '../src/model/machine.ts';
import { resolveOptions } from '../src/model/options.ts';
import { MiB } from '../src/model/units.ts';
import { type PackageDelivery, packAsOva } from '../src/packages/ovf/delivery.ts';

export const sampleName = 'vmferry-sample';
export const sampleLine = 'vmferry sample: this machine boots.';

const readme = [
  'Welcome aboard.',
  '',
  'This is the sample machine of vmferry. It has one processor, 64 MiB of memory,',
  'one disk of 64 MiB and one network adapter, and nothing on it but this file',
  `and a boot sector that prints "${sampleLine}"`,
  'on the screen and on the first serial port, and then halts.',
  '',
  'Carry it anywhere: whatever becomes of its disk on the way, it can be tried by',
  'starting it.',
  '',
].join('\r\n');

const sector = 512;
const diskBytes = 64 * MiB;
const partition = { start: 2048, sectors: diskBytes / sector - 2048 };
/** FAT16 with clusters of 2 KiB: some 32,000 of them, well inside FAT16's 4,085 to 65,524. */
const fat = {
  sectorsPerCluster: 4,
  reserved: 1,
  copies: 2,
  rootEntries: 512,
  volumeId: 0x5645_5252,
  label: 'VMFERRY    ',
};
/** 1 January 2024, noon: the sample is the same bytes whenever it is made. */
const when = {
  seconds: Date.UTC(2024, 0, 1, 12) / 1000,
  fatDate: ((2024 - 1980) << 9) | (1 << 5) | 1,
  fatTime: 12 << 11,
};

/**
 * Prints the line through the BIOS and halts; 16-bit code that the BIOS (or another boot sector) starts at 0x7c00.
 * `offset` is the code's own place in its sector.
 */
function bootCode(offset: number): Buffer {
  const code = [
    0xfa, //             cli
    0xfc, //             cld
    0x31,
    0xc0, //       xor ax, ax
    0x8e,
    0xd8, //       mov ds, ax
    0x8e,
    0xc0, //       mov es, ax
    0x8e,
    0xd0, //       mov ss, ax
    0xbc,
    0x00,
    0x7c, // mov sp, 0x7c00
    0xfb, //             sti
    0xb8,
    0xe3,
    0x00, // mov ax, 0x00e3      ; INT 14h, AH=0: set up COM1, 9600 baud, 8 bits, no parity
    0x31,
    0xd2, //       xor dx, dx
    0xcd,
    0x14, //       int 0x14
    0xbe,
    0x00,
    0x00, // mov si, text        ; filled in below
    //             next:
    0xac, //             lodsb
    0x84,
    0xc0, //       test al, al
    0x74,
    0x11, //       jz halt
    0x50, //             push ax
    0xb4,
    0x0e, //       mov ah, 0x0e        ; INT 10h, AH=0Eh: one character to the screen, light grey
    0xbb,
    0x07,
    0x00, // mov bx, 0x0007
    0xcd,
    0x10, //       int 0x10
    0x58, //             pop ax
    0xb4,
    0x01, //       mov ah, 0x01        ; INT 14h, AH=1: one character to COM1
    0x31,
    0xd2, //       xor dx, dx
    0xcd,
    0x14, //       int 0x14
    0xeb,
    0xea, //       jmp next
    //             halt:
    0xf4, //             hlt
    0xeb,
    0xfd, //       jmp halt
  ];
  const textOperand = code.indexOf(0xbe) + 1;
  const bytes = Buffer.from([...code, ...Buffer.from(`${sampleLine}\r\n\0`, 'latin1')]);
  bytes.writeUInt16LE(0x7c00 + offset + code.length, textOperand);
  return bytes;
}

/** Bytes of a partition entry's cylinder, head and sector, for 255 heads and 63 sectors. */
function chs(lba: number): Buffer {
  const cylinder = Math.floor(lba / (255 * 63));
  const head = Math.floor(lba / 63) % 255;
  return Buffer.from([head, ((cylinder >> 2) & 0xc0) | ((lba % 63) + 1), cylinder & 0xff]);
}

function masterBootRecord(): Buffer {
  const bytes = Buffer.alloc(sector);
  bootCode(0).copy(bytes);
  bytes.writeUInt32LE(fat.volumeId, 440); // disk signature
  bytes[446] = 0x80; // active
  chs(partition.start).copy(bytes, 447);
  bytes[450] = 0x0e; // FAT16, addressed by LBA
  chs(partition.start + partition.sectors - 1).copy(bytes, 451);
  bytes.writeUInt32LE(partition.start, 454);
  bytes.writeUInt32LE(partition.sectors, 458);
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

const rootSectors = (fat.rootEntries * 32) / sector;
/** Sectors of one FAT: 2 bytes for each cluster and the two reserved entries. */
function fatSectors(): number {
  let count = 1;
  for (;;) {
    const data = partition.sectors - fat.reserved - fat.copies * count - rootSectors;
    const needed = Math.ceil(((Math.floor(data / fat.sectorsPerCluster) + 2) * 2) / sector);
    if (needed <= count) return count;
    count++;
  }
}

/** The volume's own boot sector: the BIOS parameter block, and the same code as in the MBR. */
function volumeBootSector(): Buffer {
  const bytes = Buffer.alloc(sector);
  Buffer.from([0xeb, 0x3c, 0x90]).copy(bytes); // jmp over the parameters to offset 62; nop
  bytes.write('VMFERRY ', 3, 'latin1');
  bytes.writeUInt16LE(sector, 11);
  bytes[13] = fat.sectorsPerCluster;
  bytes.writeUInt16LE(fat.reserved, 14);
  bytes[16] = fat.copies;
  bytes.writeUInt16LE(fat.rootEntries, 17);
  bytes[21] = 0xf8; // a hard disk
  bytes.writeUInt16LE(fatSectors(), 22);
  bytes.writeUInt16LE(63, 24);
  bytes.writeUInt16LE(255, 26);
  bytes.writeUInt32LE(partition.start, 28);
  bytes.writeUInt32LE(partition.sectors, 32);
  bytes[36] = 0x80;
  bytes[38] = 0x29; // the three fields that follow are there
  bytes.writeUInt32LE(fat.volumeId, 39);
  bytes.write(fat.label, 43, 'latin1');
  bytes.write('FAT16   ', 54, 'latin1');
  bootCode(62).copy(bytes, 62);
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

function folderEntry(name: string, attributes: number, cluster: number, size: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.write(name, 0, 'latin1');
  bytes[11] = attributes;
  bytes.writeUInt16LE(when.fatTime, 22);
  bytes.writeUInt16LE(when.fatDate, 24);
  bytes.writeUInt16LE(cluster, 26);
  bytes.writeUInt32LE(size, 28);
  return bytes;
}

/** The whole disk, 64 MiB. */
export function sampleDisk(): Buffer {
  const bytes = Buffer.alloc(diskBytes);
  masterBootRecord().copy(bytes);
  const at = (sectors: number) => (partition.start + sectors) * sector;
  volumeBootSector().copy(bytes, at(0));
  const text = Buffer.from(readme, 'latin1');
  const clusterBytes = fat.sectorsPerCluster * sector;
  if (text.length > clusterBytes) throw new Error('README.TXT has to fit into one cluster');
  // Two reserved entries, then cluster 2: the end of README.TXT's chain.
  const table = Buffer.from([0xf8, 0xff, 0xff, 0xff, 0xff, 0xff]);
  for (let i = 0; i < fat.copies; i++) table.copy(bytes, at(fat.reserved + i * fatSectors()));
  const root = fat.reserved + fat.copies * fatSectors();
  folderEntry(fat.label, 0x08, 0, 0).copy(bytes, at(root));
  folderEntry('README  TXT', 0x20, 2, text.length).copy(bytes, at(root) + 32);
  text.copy(bytes, at(root + rootSectors));
  return bytes;
}

/** As streamOptimized VMDK; its content id, else random, is fixed. */
async function sampleVmdk(name: string): Promise<Buffer> {
  const encoder = vmdkCodec.encoder!;
  const options = resolveOptions(encoder.options, {
    subformat: 'streamOptimized',
    adapter: 'ide',
    compressionLevel: 9,
  });
  const [file] = await encoder.encode(sourceDisk(memorySource(sampleDisk())), name, options);
  const parts: Buffer[] = [];
  for await (const chunk of file!.chunks()) {
    parts.push(Buffer.from(chunk.bytes));
    chunk.release?.();
  }
  const bytes = Buffer.concat(parts);
  const id = bytes.indexOf('CID=', 0, 'latin1');
  if (id < 0) throw new Error('the VMDK has no content id');
  bytes.write('76666572', id + 4, 'latin1');
  return bytes;
}

const machine: Machine = {
  id: sampleName,
  name: sampleName,
  state: 'off',
  system: { name: 'vmferry sample', family: 'other', architecture: 'i686' },
  processors: { count: 1 },
  memoryBytes: 64 * MiB,
  firmware: { kind: 'bios' },
  disks: [{ id: 'disk1', name: 'disk1', files: [], bus: 'ide', controller: 0, unit: 0 }],
  nics: [{ network: 'VM Network', model: 'e1000' }],
  description: `Prints "${sampleLine}" on the screen and on the first serial port, and halts.`,
  findings: [],
};

/** Writes the OVA into `folder`, in place of an older one. @returns its path. */
export async function makeSample(folder: string): Promise<string> {
  const path = join(folder, `${sampleName}.ova`);
  await mkdir(folder, { recursive: true });
  await rm(path, { force: true });
  const inner: PackageDelivery = {
    sink: ({ name }) => fileSink(join(folder, name)),
    commit: async () => [path],
    rollback: async () => {
      await rm(path, { force: true });
      return [];
    },
  };
  const fileName = `${sampleName}-disk1.vmdk`;
  const disks = [{ fileName, capacityBytes: diskBytes, machineDisk: 'disk1' }];
  const ova = packAsOva(inner, { name: sampleName, machine, disks, mtimeSeconds: when.seconds });
  try {
    const bytes = await sampleVmdk(fileName);
    const sink = await ova.sink({ name: fileName, size: bytes.length });
    await sink.write(bytes, 0);
    await sink.finish(bytes.length);
    await ova.commit();
  } catch (error) {
    await ova.rollback();
    throw error;
  }
  return path;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? fileURLToPath(new URL('../samples', import.meta.url));
  process.stdout.write(`${await makeSample(folder)}\n`);
}
