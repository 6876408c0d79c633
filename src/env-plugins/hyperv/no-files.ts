/** The files of a host that is reached by WinRM alone: there are none to be had. */
import type { HostFiles } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';

export function noFiles(name: string): HostFiles {
  const refuse = async (): Promise<never> => {
    throw new AppError(
      'unsupported',
      'WinRM carries commands and no files: disks are not read or written by it',
      {
        where: name,
        hint: 'take the way ssh (OpenSSH of Windows with SFTP) for what is to be moved',
      },
    );
  };
  return {
    ...{ home: refuse, realpath: refuse, stat: refuse, list: refuse, open: refuse, text: refuse },
    ...{ create: refuse, makeFolder: refuse, rename: refuse, remove: refuse },
  };
}
