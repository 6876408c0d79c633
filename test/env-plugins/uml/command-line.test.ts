import { describe, expect, it } from 'vitest';
import { parseUmlCommand } from '../../../src/env-plugins/uml/command-line.ts';
import { commandLines, writeStartFile } from '../../../src/env-plugins/uml/start-file.ts';

const parse = (line: string) => parseUmlCommand(line.split(' '), '/vm');

describe('the command line of a User Mode Linux', () => {
  it('names disks by digit and by letter, a COW file with what lies below', () => {
    expect(parse('linux ubd0=root.cow,/img/root_fs ubdbr=data ubd2s:=x ubdcsc=swap')?.disks).toEqual([
      { unit: 0, path: '/vm/root.cow', backing: '/img/root_fs', readOnly: false, shared: false },
      { unit: 1, path: '/vm/data', readOnly: true, shared: false },
      { unit: 2, path: '/vm/swap', readOnly: false, shared: true },
    ]);
  });

  it('takes the last disk of a unit, and both separators', () => {
    expect(parse('linux ubda=one ubd0=two:three')?.disks).toEqual([
      { unit: 0, path: '/vm/two', backing: '/vm/three', readOnly: false, shared: false },
    ]);
  });

  it('does not take the second file where the disk is said to be no COW file', () => {
    expect(parse('linux ubd0d=one,two')?.disks[0]).toEqual({
      unit: 0,
      path: '/vm/one',
      readOnly: false,
      shared: false,
    });
  });

  it('reads memory, processors, name, root and networks', () => {
    expect(
      parse(
        'linux.uml mem=64M mem=1g ncpus=4 umid=web root=/dev/ubda1 ubd0=a eth0=tuntap,tap3,fe:fd:0:0:0:1 eth1=daemon,FE:FD:00:00:00:02,unix vec0:transport=tap,ifname=t9,mac=0a:00:00:00:00:01',
      ),
    ).toMatchObject({
      kernel: 'linux.uml',
      memoryBytes: 2 ** 30,
      processors: 4,
      umid: 'web',
      root: '/dev/ubda1',
      nics: [
        { mac: 'fe:fd:00:00:00:01', network: 'tuntap tap3' },
        { mac: 'fe:fd:00:00:00:02', network: 'daemon' },
        { mac: '0a:00:00:00:00:01', network: 'tap t9' },
      ],
    });
  });

  it('is none without a disk, and of absurd sizes', () => {
    expect(parse('bash -c ubd')).toBeUndefined();
    expect(parse('linux mem=999999999999999999999999G ubd0=a')).not.toHaveProperty('memoryBytes');
    expect(parse('linux ubd0= ubd1=')).toBeUndefined();
  });
});

describe('a start file', () => {
  it('is read with quotes, continued lines and comments; never worked out', () => {
    const script = `#!/bin/sh
# linux ubd0=not-this
exec linux.uml mem=64M \\
  ubd0='a file.cow',"b file" con=null # the console
linux ubd0=$HOME/x
FOO=1 nohup linux ubd0=z\\ y >log 2>&1 &
`;
    expect(commandLines(script)).toEqual([
      ['linux.uml', 'mem=64M', 'ubd0=a file.cow,b file', 'con=null'],
      ['linux', 'ubd0=z y'],
    ]);
  });

  it('that we write is one that we read, whatever the names', () => {
    const text = writeStartFile({
      kernel: 'linux.uml',
      name: "it's $(odd)",
      memoryBytes: 64 * 2 ** 20,
      processors: 2,
      disks: [
        { name: "it's a $(disk).cow", backing: 'root fs' },
        { name: 'b', readOnly: true },
      ],
      macs: [undefined],
      root: '/dev/ubda',
    });
    const command = commandLines(text).flatMap((words) => parseUmlCommand(words, '/vm') ?? [])[0];
    expect(command?.disks).toEqual([
      { unit: 0, path: "/vm/it's a $(disk).cow", backing: '/vm/root fs', readOnly: false, shared: false },
      { unit: 1, path: '/vm/b', readOnly: true, shared: false },
    ]);
    expect(command).toMatchObject({ memoryBytes: 64 * 2 ** 20, processors: 2, root: '/dev/ubda' });
  });

  it('refuses a path that the kernel would split', () => {
    const start = {
      kernel: 'linux',
      name: 'x',
      memoryBytes: 2 ** 26,
      processors: 1,
      macs: [],
      root: '/dev/ubda',
    };
    expect(() => writeStartFile({ ...start, disks: [{ name: 'a:b' }] })).toThrow(
      /takes no file with a colon/,
    );
  });
});
