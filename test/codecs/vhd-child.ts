/** Differencing VHDs for tests: no tool at hand writes them. */
import {
  checksum,
  dynamicHeader,
  footer,
  footerChecksumAt,
  headerChecksumAt,
  parentLocator,
} from '../../src/codecs/vhd/layout.ts';

/** Seals a footer (and its copy) or a header again after a change. */
function reseal(bytes: Buffer, at: number, length: number, checksumAt: number): void {
  bytes.writeUInt32BE(checksum(bytes.subarray(at, at + length), checksumAt), at + checksumAt);
}
export const resealFooter = (bytes: Buffer, at: number) => reseal(bytes, at, 512, footerChecksumAt);

/** Turns a dynamic disk into a child: type 4, the parent's id and name, locators behind the last block. */
export function childOf(parent: Buffer, child: Buffer, names: Record<string, Buffer>, unicode = ''): Buffer {
  const end = child.length - 512;
  const tail = Buffer.from(child.subarray(end));
  const body = Buffer.from(child.subarray(0, end));
  tail.writeUInt32BE(4, 60);
  resealFooter(tail, 0);
  tail.copy(body, 0);
  footer.decode(parent, parent.length - 512).uniqueId.forEach((byte, i) => {
    body[512 + 40 + i] = byte;
  });
  Buffer.from(unicode, 'utf16le')
    .swap16()
    .copy(body, 512 + 64);
  const extra: Buffer[] = [];
  Object.entries(names).forEach(([platformCode, name], i) => {
    const dataOffset = body.length + i * 512;
    parentLocator
      .encode({ platformCode, dataSpace: 512, dataLength: name.length, dataOffset })
      .copy(body, 512 + 576 + i * 24);
    extra.push(Buffer.concat([name, Buffer.alloc(512 - name.length)]));
  });
  reseal(body, 512, dynamicHeader.bytes, headerChecksumAt);
  return Buffer.concat([body, ...extra, tail]);
}
