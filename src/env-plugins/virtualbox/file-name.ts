/** The name of a machine's folder and files, as VirtualBox makes it of the machine's name. Pure. */

/** Letters, digits, space, `(`, `)`, `-`, `.`, `_`, and what lies between U+00A0 and U+D7AF. */
const taken = /^[ ()\-.0-9A-Z_a-z\u{a0}-\u{d7af}]$/u;
/** Filesystems take 255 bytes; disks are named after it as well. */
const mostBytes = 180;

/** One `_` for each byte of what is not taken, for a dot or dash at the start, a dot at the end, and spaces around. */
export function fileNameOf(name: string): string {
  let out = '';
  for (const character of name) {
    const next = taken.test(character) ? character : '_'.repeat(Buffer.byteLength(character));
    if (Buffer.byteLength(out + next) > mostBytes) break;
    out += next;
  }
  const plain = out.replace(/^[.-]/, '_').replace(/\.$/, '_');
  return plain.replace(/^ +| +$/g, (spaces) => '_'.repeat(spaces.length)) || 'machine';
}
