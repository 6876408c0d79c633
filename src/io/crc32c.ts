/** CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), as ext4 and VHDX use it: for tables of some KiB. */

let table: Uint32Array | undefined;

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, n) => {
    let value = n;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    return value >>> 0;
  });
}

/** The checksum of the bytes; a former result goes on where it ended. */
export function crc32c(bytes: Uint8Array, former = 0): number {
  table ??= makeTable();
  let value = ~former;
  for (const byte of bytes) value = (value >>> 8) ^ table[(value ^ byte) & 0xff]!;
  return ~value >>> 0;
}
