/** A dynamic VHD as the product sends it: the head, the table, and the blocks that hold data in the disk's order. */
const blockBytes = 2 * 1024 * 1024;
const bitmapBytes = 512;
const empty = Buffer.alloc(blockBytes);

/** With `base`: only blocks that differ from it, as the product sends differences. */
export function dynamicVhd(content: Buffer, base?: Buffer): Buffer {
  const count = Math.ceil(content.length / blockBytes);
  const table = Buffer.alloc(Math.ceil((count * 4) / 512) * 512, 0xff);
  const parts: Buffer[] = [];
  let at = 512 + 1024 + table.length;
  for (let i = 0; i < count; i++) {
    const block = Buffer.alloc(blockBytes);
    content.copy(block, 0, i * blockBytes, Math.min((i + 1) * blockBytes, content.length));
    const before = base?.subarray(i * blockBytes, (i + 1) * blockBytes) ?? empty;
    if (block.subarray(0, before.length).equals(before)) continue;
    table.writeUInt32BE(at / 512, i * 4);
    parts.push(Buffer.alloc(bitmapBytes, 0xff), block);
    at += bitmapBytes + blockBytes;
  }
  const tail = footer(content.length);
  return Buffer.concat([tail, header(count), table, ...parts, tail]);
}

function footer(size: number): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write('conectix', 0, 'latin1');
  bytes.writeUInt32BE(2, 8);
  bytes.writeUInt32BE(0x1_0000, 12);
  bytes.writeBigUInt64BE(512n, 16);
  bytes.write('tap\0', 28, 'latin1');
  bytes.writeBigUInt64BE(BigInt(size), 40);
  bytes.writeBigUInt64BE(BigInt(size), 48);
  bytes.writeUInt32BE(3, 60);
  return summed(bytes, 64);
}

function header(entries: number): Buffer {
  const bytes = Buffer.alloc(1024);
  bytes.write('cxsparse', 0, 'latin1');
  bytes.fill(0xff, 8, 16);
  bytes.writeBigUInt64BE(1536n, 16);
  bytes.writeUInt32BE(0x1_0000, 24);
  bytes.writeUInt32BE(entries, 28);
  bytes.writeUInt32BE(blockBytes, 32);
  return summed(bytes, 36);
}

function summed(bytes: Buffer, at: number): Buffer {
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.writeUInt32BE(~sum >>> 0, at);
  return bytes;
}
