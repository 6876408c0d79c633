/** qemu-img as the judge: typed wrappers. Every call throws with the tool's own words when it fails. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export async function qemuImg(...args: string[]): Promise<string> {
  const { stdout } = await run('qemu-img', args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

export async function qemuIo(format: string, path: string, ...commands: string[]): Promise<string> {
  const { stdout } = await run('qemu-io', ['-f', format, ...commands.flatMap((c) => ['-c', c]), path]);
  return stdout;
}

/** Throws when the two images differ in content or in virtual size (which of the zeros are stored may differ). */
export async function compareImages(a: string, formatA: string, b: string, formatB: string): Promise<void> {
  await qemuImg('compare', '-f', formatA, '-F', formatB, a, b);
  const [sizeA, sizeB] = await Promise.all([
    imageInfo(a, formatA).then((i) => i['virtual-size']),
    imageInfo(b, formatB).then((i) => i['virtual-size']),
  ]);
  if (sizeA !== sizeB) throw new Error(`${a} has ${sizeA} bytes, ${b} has ${sizeB}`);
}

/** Throws on errors and on leaks. Only for formats that qemu-img can check (qcow2, vmdk, vhdx, vdi, qed, parallels). */
export async function checkImage(path: string, format: string): Promise<void> {
  await qemuImg('check', '-f', format, path);
}

export interface QemuCheck {
  readonly corruptions?: number;
  readonly leaks?: number;
  readonly 'check-errors': number;
  readonly 'total-clusters'?: number;
  readonly 'allocated-clusters'?: number;
  readonly 'fragmented-clusters'?: number;
  readonly 'compressed-clusters'?: number;
}

/** What `qemu-img check` counts; it ends with 2 or 3 for what it has found. */
export async function qemuCheck(path: string, format: string): Promise<QemuCheck> {
  const { stdout } = await run('qemu-img', ['check', '--output=json', '-f', format, path]).catch((error) => {
    if (error.code === 2 || error.code === 3) return error as { stdout: string };
    throw error;
  });
  return JSON.parse(stdout);
}

export interface QemuInfo {
  readonly 'virtual-size': number;
  readonly format: string;
  readonly 'actual-size': number;
  readonly [key: string]: unknown;
}
export async function imageInfo(path: string, format: string): Promise<QemuInfo> {
  return JSON.parse(await qemuImg('info', '--output=json', '-f', format, path));
}
