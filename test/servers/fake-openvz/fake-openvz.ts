/** A fake OpenVZ host in a folder of the test's own; see README.md for what is taken from where. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tempFolder } from '../../temp.ts';

const scripts = join(dirname(fileURLToPath(import.meta.url)), 'bin');
const topGuid = '{5fbaabe3-6958-40ff-92a7-860e329aab41}';
const nullGuid = '{00000000-0000-0000-0000-000000000000}';

export interface FakeOpenvz {
  readonly root: string;
  /** For the field "Configuration". */
  readonly configuration: string;
  /** `PATH` and what the scripts need. */
  readonly environment: Readonly<Record<string, string>>;
  container(ctid: string, conf: string, status?: string): string;
  /** A ploop disk with a filesystem that holds `files`; resolves to the raw disk that it must read as. */
  disk(ctid: string, name: string, options: DiskOptions): string;
  path(name: string): string;
  log(): string;
  status(ctid: string, status: string): void;
}

export interface DiskOptions {
  readonly files: Readonly<Record<string, string>>;
  /** Default: a GPT with one partition, as ploop makes it. */
  readonly table?: 'gpt' | 'none';
}

/** `tools`: which of them it has. */
export async function fakeOpenvz(tools: 'vzctl' | 'prlctl' | 'none' = 'vzctl'): Promise<FakeOpenvz> {
  const root = await tempFolder();
  chmodSync(root, 0o755);
  for (const name of ['etc/vz/conf', 'private', 'status', 'snapshots', 'bin'])
    mkdirSync(join(root, name), { recursive: true });
  const bin = join(root, 'bin');
  cpSync(scripts, bin, { recursive: true });
  if (tools === 'vzctl') rmSync(join(bin, 'prlctl'));
  else {
    rmSync(join(bin, 'vzlist'));
    renameSync(join(bin, 'vzctl'), join(bin, 'vzctl.hidden'));
    if (tools === 'none') rmSync(join(bin, 'prlctl'));
  }
  writeFileSync(
    join(root, 'etc/vz/vz.conf'),
    `VIRTUOZZO=yes\nVE_ROOT="${root}/root/$VEID"\nVE_PRIVATE="${root}/private/$VEID"\n`,
  );
  const fake: FakeOpenvz = {
    root,
    configuration: join(root, 'etc/vz'),
    environment: { PATH: `${bin}:${process.env.PATH}`, FAKE_OPENVZ: root },
    container(ctid, conf, status = 'stopped') {
      writeFileSync(join(root, 'etc/vz/conf', `${ctid}.conf`), conf);
      fake.status(ctid, status);
      const area = join(root, 'private', ctid);
      mkdirSync(area, { recursive: true });
      return area;
    },
    disk: (ctid, name, options) => ploopDisk(join(root, 'private', ctid, name), options),
    path: (name) => join(root, name),
    log: () => readFileSync(join(root, 'log'), 'utf8'),
    status: (ctid, status) => writeFileSync(join(root, 'status', ctid), `${status}\n`),
  };
  return fake;
}

function ploopDisk(folder: string, { files, table = 'gpt' }: DiskOptions): string {
  const content = `${folder}.content`;
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(content, name)), { recursive: true });
    writeFileSync(join(content, name), text);
  }
  const raw = `${folder}.raw`;
  const sectors = 32 * 2048;
  execFileSync('truncate', ['-s', String(sectors * 512), raw]);
  const place = table === 'gpt' ? ['-E', 'offset=1048576'] : [];
  const size = table === 'gpt' ? '24M' : '32M';
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', ...place, '-d', content, raw, size], { stdio: 'ignore' });
  if (table === 'gpt')
    execFileSync('sfdisk', ['-q', raw], {
      input: 'label: gpt\nstart=2048,size=49152\n',
      stdio: ['pipe', 'ignore', 'ignore'],
    });
  rmSync(content, { recursive: true });
  execFileSync('qemu-img', ['convert', '-q', '-f', 'raw', '-O', 'parallels', raw, join(folder, 'root.hds')]);
  writeFileSync(
    join(folder, 'DiskDescriptor.xml'),
    `<?xml version="1.0"?>
<Parallels_disk_image>
  <Disk_Parameters><Disk_size>${sectors}</Disk_size><Cylinders>130</Cylinders><Heads>16</Heads><Sectors>63</Sectors><Padding>0</Padding></Disk_Parameters>
  <StorageData><Storage><Start>0</Start><End>${sectors}</End><Blocksize>2048</Blocksize><Image><GUID>${topGuid}</GUID><Type>Compressed</Type><File>root.hds</File></Image></Storage></StorageData>
  <Snapshots><TopGUID>${topGuid}</TopGUID><Shot><GUID>${topGuid}</GUID><ParentGUID>${nullGuid}</ParentGUID></Shot></Snapshots>
</Parallels_disk_image>
`,
  );
  return raw;
}
