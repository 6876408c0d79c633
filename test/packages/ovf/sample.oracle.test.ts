import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { makeSample, sampleLine } from '../../../scripts/make-sample.ts';
import { qemuImg } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const run = promisify(execFile);

/** The sample's disk, extracted by tar. */
async function sampleVmdk(): Promise<{ folder: string; vmdk: string }> {
  const folder = await tempFolder();
  const ova = await makeSample(folder);
  await run('tar', ['xf', ova, '-C', folder]);
  return { folder, vmdk: join(folder, 'vmferry-sample-disk1.vmdk') };
}

/** Resolves with the serial port's text once it holds `line`, or with all of it when qemu ends or a minute passes. */
function serialUntil(line: string, args: readonly string[]): Promise<string> {
  const all = [
    '-accel',
    'tcg',
    '-m',
    '64',
    '-display',
    'none',
    '-net',
    'none',
    '-monitor',
    'none',
    '-serial',
    'stdio',
  ];
  const qemu = spawn('qemu-system-x86_64', [...all, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = setTimeout(() => qemu.kill('SIGKILL'), 60_000);
  let text = '';
  qemu.stdout.on('data', (bytes) => {
    text += bytes;
    if (text.includes(line)) qemu.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    qemu.on('error', reject);
    qemu.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

describeWith(['qemu-system-x86_64', 'qemu-img', 'tar'], 'the sample machine boots', () => {
  it('from its disk', { timeout: 90_000 }, async () => {
    const { vmdk } = await sampleVmdk();
    const drive = `file=${vmdk},format=vmdk,if=ide`;
    expect(await serialUntil(sampleLine, ['-drive', drive])).toContain(sampleLine);
  });

  it("and so does its volume's own boot sector", { timeout: 90_000 }, async () => {
    const { folder, vmdk } = await sampleVmdk();
    const raw = join(folder, 'volume.raw');
    await qemuImg('convert', '-f', 'vmdk', '-O', 'raw', vmdk, join(folder, 'disk.raw'));
    await run('dd', [
      `if=${join(folder, 'disk.raw')}`,
      `of=${raw}`,
      'bs=1M',
      'skip=1',
      'conv=sparse',
      'status=none',
    ]);
    const drive = `file=${raw},format=raw,if=ide`;
    expect(await serialUntil(sampleLine, ['-drive', drive])).toContain(sampleLine);
  });
});

describeWith(['mtype', 'fsck.vfat', 'qemu-img', 'tar', 'dd'], "the sample's filesystem", () => {
  it('is clean and holds README.TXT', async () => {
    const { folder, vmdk } = await sampleVmdk();
    const raw = join(folder, 'disk.raw');
    await qemuImg('convert', '-f', 'vmdk', '-O', 'raw', vmdk, raw);
    const volume = join(folder, 'volume.raw');
    await run('dd', [`if=${raw}`, `of=${volume}`, 'bs=1M', 'skip=1', 'conv=sparse', 'status=none']);
    await run('fsck.vfat', ['-n', '-v', volume]);
    const { stdout } = await run('mtype', ['-i', `${raw}@@1M`, '::README.TXT']);
    expect(stdout).toContain('Welcome aboard.');
    expect(stdout).toContain(sampleLine);
  });
});

describeWith(['virt-v2v', 'tar'], 'virt-v2v reads the sample', () => {
  it('with a disk of our own encoder', async () => {
    const ova = await makeSample(await tempFolder());
    const { stdout } = await run('virt-v2v', ['-i', 'ova', ova, '-o', 'null', '--print-source'], {
      env: { ...process.env, LIBGUESTFS_BACKEND: 'direct' },
    });
    const said = stdout.replace(/[ \t]+/g, ' ');
    expect(said).toContain('source name: vmferry-sample');
    expect(said).toMatch(/firmware: (?:bios|unknown)/);
    expect(said).toMatch(/\[ide\]/);
  });
});
