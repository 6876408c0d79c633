/**
 * Files of an ESXi host by a real sshd on this computer. Its `vmkfstools` is a stand-in that prints what public scripts
 * expect of the real one (see `vmfs-mapping.ts`); no real ESXi was asked.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openImage } from '../../../../src/convert/open-image.ts';
import { sshWayBelow } from '../../../../src/env-plugins/vsphere/ways/esxi-ssh.ts';
import type { WayContext, WaySubject } from '../../../../src/env-plugins/vsphere/ways/way.ts';
import { AppError } from '../../../../src/model/errors.ts';
import { MiB } from '../../../../src/model/units.ts';
import { writeRaw } from '../../../conformance/images.ts';
import { randomBytes } from '../../../conformance/random.ts';
import { describeWith } from '../../../oracles/requires.ts';
import { type Sshd, sshdTools, startSshd } from '../../../servers/sshd.ts';
import { tempFolder } from '../../../temp.ts';
import { never, vmfsDescriptor } from '../connected.ts';

const size = 8 * MiB;

/** A thin disk of four parts of which the second and the last are zeros, on a datastore named by its id. */
async function esxi() {
  const volumes = await tempFolder();
  const folder = join(volumes, '51b0-a2b1', 'web 01');
  await mkdir(folder, { recursive: true });
  const content = Buffer.alloc(size);
  randomBytes(2 * MiB, 1).copy(content, 0);
  randomBytes(2 * MiB, 2).copy(content, 4 * MiB);
  await writeFile(join(folder, 'web.vmdk'), vmfsDescriptor(size, 'web-flat.vmdk'));
  await writeRaw(join(folder, 'web-flat.vmdk'), content);
  const bin = await tempFolder();
  const tool = async (text: string) => {
    await writeFile(join(bin, 'vmkfstools'), `#!/bin/sh\n${text}\n`);
    await chmod(join(bin, 'vmkfstools'), 0o755);
  };
  const home = await tempFolder();
  const server = await startSshd({ config: [`SetEnv "PATH=${bin}:${process.env.PATH}" "HOME=${home}"`] });
  return { volumes, folder, content, server, tool };
}

async function wayTo(server: Sshd, volumes: string, settings: Record<string, string> = {}) {
  const own = await tempFolder();
  vi.stubEnv('HOME', own);
  vi.stubEnv('SSH_AUTH_SOCK', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const context = {
    session: { about: { isVCenter: true } },
    server: { host: 'vc.example', legacy: false, user: 'root' },
    settings: { sshUser: server.user, sshPort: String(server.port), sshKeyFile: server.key, ...settings },
    plugin: {
      signal: never,
      report: () => undefined,
      confirm: async () => true,
      secret: async (key: string) => Promise.reject(new AppError('auth', `there is no secret for "${key}"`)),
    },
    certificates: '',
  } as unknown as WayContext;
  const way = sshWayBelow(volumes)(context);
  onTestFinished(() => way.close?.());
  return way;
}

const file = { datastore: 'fast', path: 'web 01/web.vmdk' };
const subject = {
  machine: { name: 'web' },
  disk: { label: 'Hard disk 1', mode: 'persistent', parents: [] },
  file,
  place: {
    datastores: [{ name: 'fast', url: 'ds:///vmfs/volumes/51b0-a2b1/', datacenter: 'dc' }],
    own: new Set(),
    home: file,
  },
  datastoreKind: 'VMFS',
  host: { ref: { type: 'HostSystem', id: 'host-1' }, name: '127.0.0.1' },
} as unknown as WaySubject;

const mapping = (kinds: readonly string[]) => {
  const rows = kinds.map((kind, i) => {
    const range = `[${String(i * 2 * MiB).padStart(12)}: ${String(2 * MiB).padStart(12)}]`;
    return `${range} --> [${kind}:(           0 -->      2097152)]`;
  });
  return [`Mapping for file web.vmdk (${size} bytes in size):`, ...rows].join('\n');
};

describeWith([...sshdTools, 'python3'], 'an ESXi host by SSH', () => {
  it('bytes, and what vmkfstools tells', async () => {
    const { volumes, folder, content, server, tool } = await esxi();
    const told = mapping([
      'VMFS -- LVID:51b0/51b0/1',
      'VMFS -- LVID:51b0/51b0/1',
      'VMFS Z- LVID:51b0/51b0/1',
      'NOMP -- ',
    ]);
    await tool(`[ "$*" = "-t0 ${folder}/web.vmdk" ] || exit 1\ncat <<'END'\n${told}\nEND`);
    const way = await wayTo(server, volumes);
    expect(await way.whyNot(subject, never)).toBeUndefined();
    const image = await openImage(await way.open(subject, never), { follow: false });
    expect(image.info.files).toEqual(['[fast] web 01/web.vmdk', '[fast] web 01/web-flat.vmdk']);
    const bytes = Buffer.alloc(size);
    await image.read(bytes, 0);
    expect(bytes.equals(content)).toBe(true);
    // Not as the filesystem here would say it: it knows of the second part as well.
    expect((await image.extents(0, size)).map((e) => [e.kind, e.length / MiB])).toEqual([
      ['data', 6],
      ['zero', 2],
    ]);
    await image.close();
  });

  it.each([
    ['is not there', undefined],
    ['fails', 'echo "Failed to open: Device or resource busy" >&2; exit 255'],
    ['says what is not understood', `echo "Mapping for file x (${size} bytes in size):"; echo nonsense`],
  ])('vmkfstools %s: the filesystem is asked', async (_name, text) => {
    const { volumes, content, server, tool } = await esxi();
    if (text !== undefined) await tool(text);
    const way = await wayTo(server, volumes);
    const image = await openImage(await way.open(subject, never), { follow: false });
    expect((await image.extents(0, size)).filter((e) => e.kind === 'data').at(-1)).toEqual({
      kind: 'data',
      offset: 4 * MiB,
      length: 2 * MiB,
    });
    const bytes = Buffer.alloc(2 * MiB);
    await image.read(bytes, 4 * MiB);
    expect(bytes.equals(content.subarray(4 * MiB, 6 * MiB))).toBe(true);
    await image.close();
  });

  it('says why it is none', async () => {
    const { volumes, server } = await esxi();
    const without = await wayTo(server, volumes, { sshUser: '' });
    expect(await without.whyNot(subject, never)).toMatch(/no "SSH user"/);
    const way = await wayTo(server, volumes);
    const { host: _, ...unknownHost } = subject;
    expect(await way.whyNot({ ...unknownHost, host: undefined }, never)).toMatch(/not known which host/);
    expect(await way.whyNot({ ...subject, datastoreKind: 'vsan' }, never)).toMatch(/no files/);
    const gone = { ...subject, file: { datastore: 'fast', path: 'web 01/gone.vmdk' } };
    await expect(way.open(gone, never)).rejects.toMatchObject({ kind: 'not-found' });
    const stranger = await wayTo(server, volumes, { sshKeyFile: '', sshHost: '127.0.0.1' });
    await expect(stranger.open(subject, never)).rejects.toMatchObject({ kind: 'auth' });
  });
});
