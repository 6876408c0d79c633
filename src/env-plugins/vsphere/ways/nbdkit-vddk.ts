/**
 * VMware's own disk library (VDDK), which can't be shipped: where the operator has it, with nbdkit and its vddk plugin
 * around it. nbdkit-vddk-plugin(1) names the parameters. It speaks NFC with the host, or reads the SAN, and tells what
 * is allocated (VDDK from 6.7 on).
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { localHost } from '../../../io/host/local-host.ts';
import { secureContext } from '../../../io/https/authorities.ts';
import { connectTrusted } from '../../../io/https/connect.ts';
import { knownCertificates } from '../../../io/https/known-certificates.ts';
import { settleTrust } from '../../../io/https/trust.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import type { OpenDisk } from '../../plugin.ts';
import { formatDatastorePath } from '../datastore-path.ts';
import { lastWords, NbdkitProcess } from './nbdkit-process.ts';
import type { MakeWay, WayContext, WaySubject } from './way.ts';

/** Where it is mostly unpacked, or packaged. */
const usualFolders = [
  '/opt/vmware-vix-disklib-distrib',
  '/usr/lib64/vmware-vix-disklib',
  '/usr/lib/vmware-vix-disklib',
  '/usr/local/vmware-vix-disklib-distrib',
];

export const vddkWay: MakeWay = (context) => {
  let looked: Promise<Library> | undefined;
  let thumbprint: Promise<string> | undefined;
  const running = new Set<NbdkitProcess>();
  /** Remembered, unless it was cancelled. */
  const library = (signal: AbortSignal): Promise<Library> => {
    const looking = looked ?? findLibrary(context.settings.vddkLibdir, signal);
    looked = looking;
    looking.catch(() => {
      looked = undefined;
    });
    return looking;
  };
  return {
    id: 'vddk',
    label: "VMware's disk library (VDDK) in nbdkit",
    async whyNot({ file, disk }, signal) {
      if (context.server.user === '')
        return 'it takes a user and a password, and the login is by a session ticket';
      if (file === undefined) return 'the disk has no file that stands still';
      if (disk.rdm === 'physicalMode') return 'it does not read physical raw device mappings';
      const found = await library(signal);
      return 'why' in found ? found.why : undefined;
    },
    async open(subject, signal) {
      const found = await library(signal);
      if ('why' in found) throw new AppError('unsupported', found.why);
      thumbprint ??= thumbprintOf(context, signal);
      const print = await thumbprint.catch((error) => {
        thumbprint = undefined;
        throw error;
      });
      const password = await context.plugin.secret('password');
      const process = await NbdkitProcess.start(
        parametersOf(context, subject, found.libdir, print),
        password,
      );
      running.add(process);
      try {
        return await opened(process, subject, signal);
      } catch (error) {
        await process.end();
        throw error;
      }
    },
    async close() {
      await Promise.all([...running].map((process) => process.end()));
    },
  };
};

type Library = { readonly libdir: string } | { readonly why: string };

/** Throws only when it is cancelled. */
async function findLibrary(given: string | undefined, signal: AbortSignal): Promise<Library> {
  const host = localHost();
  try {
    const wanted = given?.trim() || process.env.VDDK_LIBDIR;
    const libdir = wanted ?? (await firstOf(usualFolders));
    await host.run(['nbdkit', '--version'], { signal });
    if (libdir === undefined)
      return { why: 'its folder was not found here: say where it is with "VDDK folder"' };
    if (!(await hasLibrary(libdir))) return { why: `there is no lib64/libvixDiskLib.so in ${libdir}` };
    const { code, stderr } = await host.run(['nbdkit', 'vddk', `libdir=${libdir}`, '--dump-plugin'], {
      signal,
    });
    return code === 0 ? { libdir } : { why: `nbdkit can't load it: ${lastWords(stderr)}` };
  } catch (error) {
    const { kind, message } = toAppError(error);
    if (kind === 'cancelled') throw error;
    return { why: kind === 'not-found' ? 'nbdkit is not installed here' : message };
  }
}

async function firstOf(folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) if (await hasLibrary(folder)) return folder;
  return undefined;
}

async function hasLibrary(folder: string): Promise<boolean> {
  const names = await readdir(join(folder, 'lib64')).catch(() => []);
  return names.some((name) => name.startsWith('libvixDiskLib.so'));
}

/** SHA-1 of the certificate that this session's server has shown and that was accepted: what VDDK checks. */
async function thumbprintOf({ server, certificates }: WayContext, signal: AbortSignal): Promise<string> {
  const tls = { context: await secureContext(server.legacy), timeoutMs: 60_000, signal };
  const pinned = await settleTrust(server, {
    ...tls,
    fingerprint: server.fingerprint,
    known: knownCertificates(certificates),
    confirm: async () => false,
  });
  const socket = await connectTrusted(server, pinned, tls);
  const { fingerprint } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint;
}

/** The password is none of them: all users of a computer can read what a program is started with. */
function parametersOf(
  { server }: WayContext,
  subject: WaySubject,
  libdir: string,
  thumbprint: string,
): string[] {
  const { vm, snapshot, file } = subject;
  return [
    'vddk',
    `libdir=${libdir}`,
    `server=${server.host}`,
    `port=${server.port}`,
    `user=${server.user}`,
    `thumbprint=${thumbprint}`,
    `vm=moref=${vm.id}`,
    ...(snapshot === undefined ? [] : [`snapshot=${snapshot.id}`]),
    `file=${formatDatastorePath(file!)}`,
  ];
}

async function opened(process: NbdkitProcess, { file }: WaySubject, signal: AbortSignal): Promise<OpenDisk> {
  const disk = await process.connect(signal);
  const name = formatDatastorePath(file!);
  return {
    format: 'raw',
    source: {
      name,
      size: disk.size,
      access: 'random',
      read: (target, offset, cancel) => process.explained(disk.read(target, offset, cancel)),
      extents: (from, to, cancel) => process.explained(disk.extents(from, to, cancel)),
      close: () => process.end(),
    },
    async sibling(wanted) {
      throw new AppError(
        'not-found',
        `the whole disk is read by the library: there is no "${wanted}" beside it`,
        {
          where: name,
        },
      );
    },
  };
}
