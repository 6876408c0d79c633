/** Tar archives made by hand, for what tar itself would not make. */

export interface Member {
  readonly name: string;
  readonly type?: string;
  readonly link?: string;
  readonly mode?: number;
  readonly data?: Buffer;
  /** Another size than the data has. */
  readonly size?: number;
  readonly pax?: Readonly<Record<string, string | Buffer>>;
}

export function paxData(records: Readonly<Record<string, string | Buffer>>): Buffer {
  return Buffer.concat(
    Object.entries(records).map(([key, value]) => {
      const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
      let length = body.length + 1;
      while (String(length).length + body.length !== length) length = String(length).length + body.length;
      return Buffer.concat([Buffer.from(String(length)), body]);
    }),
  );
}

export function tarOf(members: readonly Member[]): Buffer {
  const parts = members.flatMap((member) => [
    ...(member.pax === undefined ? [] : [block({ name: 'pax', type: 'x', data: paxData(member.pax) })]),
    block(member),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function block({
  name,
  type = '0',
  link = '',
  mode = 0o644,
  data = Buffer.alloc(0),
  size = data.length,
}: Member) {
  const header = Buffer.alloc(512);
  header.write(name, 0, 'latin1');
  const octal = (value: number, digits: number, at: number) =>
    header.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  octal(mode, 7, 100);
  octal(0, 7, 108);
  octal(0, 7, 116);
  octal(size, 11, 124);
  octal(1_700_000_000, 11, 136);
  header.write(type, 156, 'latin1');
  header.write(link, 157, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.fill(0x20, 148, 156);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}
