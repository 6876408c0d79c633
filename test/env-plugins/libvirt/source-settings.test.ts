import { expect, it } from 'vitest';
import { rangesSource } from '../../../src/env-plugins/libvirt/ranges-source.ts';
import { fields, uriOf } from '../../../src/env-plugins/libvirt/settings.ts';
import { virshBatch, virshError } from '../../../src/env-plugins/libvirt/virsh.ts';

it('takes the URI of a libvirt on its own host only', () => {
  expect(uriOf({})).toBe('qemu:///system');
  expect(uriOf({ uri: ' qemu:///session ' })).toBe('qemu:///session');
  for (const uri of ['qemu+unix:///system?socket=/x', 'xen:///system', 'test:///default'])
    expect(uriOf({ uri })).toBe(uri);
  for (const uri of [
    'qemu+ssh://host/system',
    'qemu+tcp:///system',
    'qemu://host/system',
    'qemu+ssh:///system',
  ])
    expect(() => uriOf({ uri })).toThrow(/leads to another host/);
  for (const uri of ['--help', 'qemu', 'qemu:/system', 'qemu:///a\nb'])
    expect(() => uriOf({ uri })).toThrow(/is not a URI/);
});

it('needs no field at all', () => {
  expect(fields.filter((f) => f.required)).toEqual([]);
  expect(fields.map((f) => f.key)).toEqual(expect.arrayContaining(['host', 'user', 'sudo', 'uri']));
});

it('puts what virsh says into words', () => {
  const cases = [
    [
      "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
      'unreachable',
    ],
    [
      "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/run/libvirt/virtqemud-sock': Connection refused",
      'unreachable',
    ],
    [
      "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied",
      'auth',
    ],
    [
      'error: failed to connect to the hypervisor\nerror: authentication unavailable: no polkit agent available to authenticate action',
      'auth',
    ],
    [
      'error: failed to connect to the hypervisor\nerror: no connection driver available for vz:///system',
      'unreachable',
    ],
    ["error: failed to get domain 'x'", 'not-found'],
    ["error: Domain not found: no domain with matching uuid '…'", 'not-found'],
    ["error: operation failed: domain 'x' already exists with uuid …", 'conflict'],
    ['error: internal error: unable to execute QEMU command: No space left on device', 'no-space'],
    ['error: Operation not supported: live disk snapshot not supported with this QEMU binary', 'unsupported'],
    [
      'error: Disconnected from qemu:///system due to end of file\nerror: End of file while reading data: Input/output error',
      'unreachable',
    ],
    ['error: something new', 'io'],
    ['', 'io'],
  ] as const;
  for (const [said, kind] of cases) {
    const error = virshError(said, 'host');
    expect({ said, kind: error.kind }).toEqual({ said, kind });
    expect(error.message).not.toMatch(/^libvirt: error|; error/);
    expect(error.where).toBe('host');
  }
});

it('tells the answers of many commands apart, whatever is in them', async () => {
  const seen: string[] = [];
  const run = async ([line]: readonly string[]) => {
    seen.push(line!);
    const mark = /echo ([^;]+)/.exec(line!)![1]!;
    return `<a>; echo\n${mark}${mark}x`.concat(mark);
  };
  expect(await virshBatch(run, ['one', 'two', 'three'])).toEqual(['<a>; echo\n', '', 'x']);
  expect(seen).toHaveLength(1);
  expect(await virshBatch(run, [])).toEqual([]);
  await expect(virshBatch(async () => 'cut', ['one'])).rejects.toMatchObject({ kind: 'io' });
});

it('reads a file by ranges: each byte right, neighbours in large pieces, failures not kept', async () => {
  const bytes = Buffer.from(Array.from({ length: 3_000_001 }, (_, i) => i % 251));
  const fetches: [number, number][] = [];
  let broken = false;
  const source = rangesSource('x', bytes.length, async (offset, length) => {
    fetches.push([offset, length]);
    if (broken) throw new Error('broken');
    return bytes.subarray(offset, offset + length);
  });
  const read = async (offset: number, length: number) => {
    const target = Buffer.alloc(length);
    await source.read(target, offset);
    return target.equals(bytes.subarray(offset, offset + length));
  };
  expect(await read(5, 100)).toBe(true);
  expect(await read(200_000, 100_000)).toBe(true);
  expect(fetches).toEqual([
    [0, 262_144],
    [262_144, 2_737_857],
  ]);
  expect(await Promise.all([read(2_999_990, 11), read(1, 2_999_999), read(0, 3_000_001)])).toEqual([
    true,
    true,
    true,
  ]);
  expect(fetches).toHaveLength(2);
  await source.close();
  broken = true;
  await expect(read(0, 1)).rejects.toThrow('broken');
  broken = false;
  expect(await read(0, 1)).toBe(true);
  await expect(source.read(Buffer.alloc(2), bytes.length - 1)).rejects.toMatchObject({ kind: 'corrupt' });
});
