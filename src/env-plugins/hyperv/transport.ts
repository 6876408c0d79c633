/** How a Hyper-V host is reached: its PowerShell, and its files. By SSH both; by WinRM see `winrm-transport.ts`. */
import type { HostFiles } from '../../io/host/host.ts';
import { sftpFiles } from '../../io/host/sftp-files.ts';
import { SshLink } from '../../io/host/ssh-link.ts';
import type { Tell } from '../../io/retrying.ts';
import type { SshConnection } from '../../io/ssh/connection.ts';
import { MiB } from '../../model/units.ts';
import { diskFiles, type Shares } from './disk-files.ts';
import { prelude } from './scripts/prelude.ts';

export interface Told {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Transport {
  /** For messages. */
  readonly name: string;
  /** By the paths of `filePath`. */
  readonly files: HostFiles;
  /** Runs `prelude` there with this standard input, whatever it ends with. */
  powershell(input: string, signal: AbortSignal | undefined): Promise<Told>;
  close(): Promise<void>;
}

export const mostAnswerBytes = 64 * MiB;

/** The same for every call: nothing of others is ever in it. */
export const commandWords: readonly string[] = [
  'powershell.exe',
  '-NoLogo',
  '-NoProfile',
  '-NonInteractive',
  '-EncodedCommand',
  Buffer.from(prelude, 'utf16le').toString('base64'),
];

/** Closing it closes the connection, and `shares`. */
export function sshTransport(connection: SshConnection, shares?: Shares, tell?: Tell): Transport {
  const link = new SshLink(connection, { tell });
  return {
    name: connection.name,
    files: diskFiles(connection.name, sftpFiles(link), shares),
    async powershell(input, signal) {
      const standing = await link.current(signal);
      return standing.exec(commandWords, {
        input,
        plain: true,
        maximumBytes: mostAnswerBytes,
        ...(signal === undefined ? {} : { signal }),
      });
    },
    async close() {
      await Promise.all([link.close(), shares?.close()]);
    },
  };
}
