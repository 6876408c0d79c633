/** PowerShell of a host by WinRM. Its files come another way: WinRM carries commands. */
import { knownCertificates } from '../../io/https/known-certificates.ts';
import { openWinRm, type WinRm } from '../../io/winrm/client.ts';
import type { PluginContext, Settings } from '../plugin.ts';
import { diskFiles, type Shares } from './disk-files.ts';
import { winrmSettings } from './settings.ts';
import { commandWords, mostAnswerBytes, type Transport } from './transport.ts';

/** `certificates`: the file of those that were accepted. @throws AppError `usage`, `unreachable`, `auth` … */
export function connectWinRm(
  settings: Settings,
  context: PluginContext,
  certificates: string,
): Promise<WinRm> {
  const { login, user, ...target } = winrmSettings(settings);
  context.report(`connecting to ${target.host} by WinRM`);
  return openWinRm({
    ...target,
    login: { way: login, user, password: () => context.secret('password') },
    known: knownCertificates(certificates),
    confirm: (question) => context.confirm(question),
    signal: context.signal,
  });
}

/** Closing it closes the connection, and `shares`. */
export function winrmTransport(winrm: WinRm, shares?: Shares): Transport {
  return {
    name: winrm.name,
    files: diskFiles(winrm.name, undefined, shares),
    async powershell(input, signal) {
      const { code, stdout, stderr } = await winrm.run({
        ...{ args: commandWords, input, maximumBytes: mostAnswerBytes, signal },
      });
      return { code, stdout, stderr: stderr.toString() };
    },
    async close() {
      await Promise.all([winrm.close(), shares?.close()]);
    },
  };
}
