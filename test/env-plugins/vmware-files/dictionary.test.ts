import { describe, expect, it } from 'vitest';
import {
  dictionaryLine,
  escapeValue,
  parseDictionary,
} from '../../../src/env-plugins/vmware-files/dictionary.ts';
import { serverListPaths } from '../../../src/env-plugins/vmware-files/listed-machines.ts';

const parse = (text: string | Buffer) =>
  parseDictionary(Buffer.isBuffer(text) ? text : Buffer.from(text), 'a.vmx');

describe('the dialect of .vmx files', () => {
  it.each([
    ['a = "b"', 'b'],
    ['a="b"', 'b'],
    ['  A  =  "b"  # comment', 'b'],
    ['a = b', 'b'],
    ['a = b # comment', 'b'],
    ['a = "x # y"', 'x # y'],
    ['a = ""', ''],
    ['a =', ''],
    ['a = "no end', 'no end'],
    ['a = "x = y"', 'x = y'],
    ['a = "one|0Atwo|7C|22|23"', 'one\ntwo|"#'],
    ['a = "100|% |zz"', '100|% |zz'],
    ['a = "C:\\dir\\f.vmdk"', 'C:\\dir\\f.vmdk'],
    ['\ufeffa = "b"', 'b'],
    ['#!/usr/bin/vmware\r\na = "b"\r\n', 'b'],
    ['x = "1"\ra = "b"\r', 'b'],
    ['stray words\n= "c"\n\n# a = "d"\na = "b"', 'b'],
    ['a = "|C3|BC"', 'ü'],
  ])('%j says %j', (text, value) => {
    expect(parse(text).get('A')).toBe(value);
  });

  it('knows keys in any case, and of several with one name the first', () => {
    const found = parse('Ethernet0.Present = "TRUE"\nethernet0.present = "FALSE"\nb = "1"\nB = "1"\n');
    expect(found.get('ethernet0.PRESENT')).toBe('TRUE');
    expect(found.repeated).toEqual(['ethernet0.present']);
    expect(found.get('__proto__')).toBeUndefined();
  });

  it.each([
    ['UTF-8', Buffer.from('B\u00fcro \u20ac')],
    ['windows-1252', Buffer.from([0x42, 0xfc, 0x72, 0x6f, 0x20, 0x80])],
    ['', Buffer.from('B\u00fcro \u20ac')],
    ['', Buffer.from([0x42, 0xfc, 0x72, 0x6f, 0x20, 0x80])],
  ])('reads text in "%s"', (name, bytes) => {
    const line = name === '' ? '' : `.encoding = "${name}"\n`;
    const text = Buffer.concat([Buffer.from(`${line}a = "`), bytes, Buffer.from('"')]);
    expect(parse(text).get('a')).toBe('Büro €');
  });

  it.each([
    ['GBK', Buffer.from([0xd0, 0xe9, 0xc4, 0xe2, 0xbb, 0xfa]), '虚拟机'],
    // The second byte of this one is that of "|".
    ['GBK', Buffer.from([0x81, 0x7c, 0x32, 0x32]), '亅22'],
    ['Shift_JIS', Buffer.from([0x83, 0x65, 0x83, 0x58, 0x83, 0x67]), 'テスト'],
    ['Big5', Buffer.from([0xb5, 0xea]), '虛'],
    ['windows-1251', Buffer.from([0xcc, 0xe8, 0xf0]), 'Мир'],
  ])('reads text in %s', (name, bytes, value) => {
    const text = Buffer.concat([Buffer.from(`.encoding = "${name}"\na = "`), bytes, Buffer.from('"\n')]);
    expect(parse(text).get('a')).toBe(value);
  });

  it('reads what says that it is UTF-8 and is not, and what has a mark of UTF-8 and says otherwise', () => {
    const western = Buffer.from('.encoding = "utf-8"\r\na = "B\u00fcro"\r\n', 'latin1');
    expect(parse(western).get('a')).toBe('Büro');
    expect(parse('\ufeff.Encoding="windows-1252"\na = "Büro"').get('a')).toBe('Büro');
  });

  it.each(['UTF-16', 'UTF-16LE', 'utf-16be', 'x-user-defined'])(
    '%s is none that such a file can be in',
    (name) => {
      expect(parse(`.encoding = "${name}"\na = "b"`).get('a')).toBe('b');
    },
  );

  it.each([
    ['euc-kr', Buffer.from([0xb0, 0xa1]), '가'],
    ['windows-949', Buffer.from([0xb0, 0xa1]), '가'],
    ['EUC-JP', Buffer.from([0xa5, 0xc6]), 'テ'],
    ['ibm-943_P15A-2003', Buffer.from([0x83, 0x65]), 'テ'],
    ['ISO-8859-2', Buffer.from([0xb1]), 'ą'],
    ['windows-1250', Buffer.from([0xb9]), 'ą'],
    ['KOI8-R', Buffer.from([0xed]), 'М'],
    ['gb18030', Buffer.from([0x81, 0x30, 0x81, 0x30]), '\u0080'],
  ])('reads text in %s, as it stands and escaped', (name, bytes, value) => {
    const escaped = [...bytes].map((byte) => `|${byte.toString(16).padStart(2, '0')}`).join('');
    const lines = [`.encoding = "${name}"\na = "`, bytes, `"\nb = "${escaped}"\n`].map((part) =>
      Buffer.from(part),
    );
    const found = parse(Buffer.concat(lines));
    expect([found.get('a'), found.get('b')]).toEqual([value, value]);
  });

  it.each([
    ['spaces within a value', `a = b${' '.repeat(2 ** 21)}c # d\n`],
    ['escapes', `a = "${'|22'.repeat(2 ** 19)}"\n`],
    ['quotes and signs', `${'a"=#|'.repeat(2 ** 18)}\n`],
    ['empty lines', ' \n'.repeat(2 ** 20)],
    ['the same key', 'a = "1"\nA = "2"\n'.repeat(2 ** 17)],
  ])('a file of %s is read in a moment', (_, text) => {
    expect(parse(text).repeated.length).toBeLessThan(2);
    expect(serverListPaths(Buffer.from(text), 'x')).toEqual([]);
  });

  it('refuses what is no text, and an encoding that nobody knows', () => {
    expect(() => parse(Buffer.from([0x61, 0, 0x62]))).toThrow(expect.objectContaining({ kind: 'corrupt' }));
    const odd = Buffer.concat([Buffer.from('.encoding = "EBCDIC-X"\na = "'), Buffer.from([0xc1, 0x22])]);
    expect(() => parse(odd)).toThrow(expect.objectContaining({ kind: 'unsupported' }));
    expect(parse('.encoding = "EBCDIC-X"\na = "b"').get('a')).toBe('b');
  });

  it.each(['plain', 'a "b" | # c', 'two\nlines\r\n\ttab', 'ü 虚拟机 €', '|22', ''])(
    'what is written is read: %j',
    (value) => {
      expect(parse(`.encoding = "UTF-8"\n${dictionaryLine('a', value)}`).get('a')).toBe(value);
    },
  );

  it('writes no value that could end a string', () => {
    expect(() => escapeValue('a\0b')).toThrow(expect.objectContaining({ kind: 'usage' }));
    expect(escapeValue('a"\nevil = "1')).toBe('a|22|0Aevil = |221');
  });
});
