import { describe, expect, it } from 'vitest';
import { namedByJson } from '../../src/codecs/qcow2/json-name.ts';

const named = (options: unknown) => namedByJson(`json:${JSON.stringify(options)}`);

describe('backing files named by options of qemu', () => {
  it('whole files', () => {
    const file = { driver: 'file', filename: '/a/b.qcow2' };
    expect(named({ driver: 'qcow2', file })).toEqual({ file: '/a/b.qcow2', driver: 'qcow2' });
    expect(named({ driver: 'raw', 'file.driver': 'file', 'file.filename': 'b' })).toEqual({
      file: 'b',
      driver: 'raw',
    });
    expect(named({ 'file.filename': 'b', 'node-name': 'n', 'read-only': true })).toEqual({ file: 'b' });
    expect(named({ file: { ...file, aio: 'native', cache: { direct: true } } })).toEqual({
      file: '/a/b.qcow2',
    });
    expect(named(file)).toEqual({ file: '/a/b.qcow2' });
  });

  it('nothing else: a part of a file, another layer between, another place', () => {
    for (const options of [
      { driver: 'raw', offset: 512, file: { driver: 'file', filename: 'b' } },
      { driver: 'qcow2', file: { driver: 'raw', file: { driver: 'file', filename: 'b' } } },
      { driver: 'qcow2', file: { driver: 'nbd', host: 'h' } },
      { driver: 'qcow2', file: { driver: 'nbd', filename: 'b' } },
      { driver: 'qcow2', file: 'node' },
      { driver: 'qcow2', backing: null, file: { filename: 'b' } },
      { driver: 'null-co' },
      { driver: 7, file: { filename: 'b' } },
      { driver: 'qcow2', filename: 'b' },
      { file: { filename: 7 } },
      [],
      'b',
      null,
    ]) {
      expect(named(options), JSON.stringify(options)).toBeUndefined();
    }
    expect(namedByJson('json:{')).toBeUndefined();
  });
});
