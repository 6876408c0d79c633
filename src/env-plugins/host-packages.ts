/** Packages that lie on a host: opened there, and their checksums worked out there. */
import { posix } from 'node:path';
import type { Host } from '../io/host/host.ts';
import { AppError } from '../model/errors.ts';
import { isInside } from './image-paths.ts';
import type { PackagePlace } from './package-file.ts';

/** Names and numbers come as arguments. */
const sumOfPart = 'tail -c +"$2" -- "$1" | head -c "$3" | "$4"';

export function packagePlace(host: Host): PackagePlace {
  return {
    paths: posix,
    open: (path, signal) => host.files.open(path, signal),
    async names(folder, signal) {
      const entries = await host.files.list(folder, signal);
      return entries.filter(({ kind }) => kind !== 'folder').map(({ path }) => posix.basename(path));
    },
    async leadsOut(folder, path, signal) {
      const [realFolder, real] = await Promise.all(
        [folder, path].map((one) => host.files.realpath(one, signal)),
      );
      return !isInside(realFolder!, real!, { paths: posix, label: host.name });
    },
    async digest(path, part, hash, signal) {
      const tool = `${hash}sum`;
      const args =
        part === undefined
          ? [tool, '--', path]
          : ['sh', '-c', sumOfPart, 'sh', path, String(part.offset + 1), String(part.length), tool];
      try {
        const { code, stdout } = await host.run(args, { signal });
        const hex = /^\\?([0-9a-f]{40,128})\s/.exec(stdout.toString('latin1'))?.[1];
        return code === 0 ? hex : undefined;
      } catch (error) {
        // A host that only moves files, or has no such tool: the bytes are fetched.
        if (error instanceof AppError && ['not-found', 'unsupported', 'io'].includes(error.kind))
          return undefined;
        throw error;
      }
    },
  };
}
