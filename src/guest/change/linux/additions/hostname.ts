/** The guest's own name, wherever it is written down. */
import { AppError } from '../../../../model/errors.ts';
import type { LinuxChange } from '../context.ts';

/** RFC 1123, 2.1: labels of letters, digits and hyphens; Linux takes 64 characters. */
const valid =
  /^(?=.{1,64}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

export const setHostname: LinuxChange = async (tree, { wish, system }) => {
  const name = wish.add?.hostname;
  if (name === undefined) return [];
  if (!valid.test(name))
    throw new AppError('usage', `no name for a machine: ${JSON.stringify(name)}`, {
      hint: 'letters, digits and hyphens, parted by dots, 64 characters at most',
    });
  await tree.change(
    {
      id: 'hostname',
      title: `The guest's name is ${name}`,
      reason: 'as it was asked for',
      need: 'asked',
    },
    async (editor) => {
      const old = (await editor.text('/etc/hostname'))?.trim() || system.hostname;
      // Red Hat's before systemd: nothing else is read there.
      const network = await editor.text('/etc/sysconfig/network');
      const inNetwork = network !== undefined && (/^HOSTNAME=/m.test(network) || system.init === 'sysvinit');
      if (inNetwork)
        await editor.edit('/etc/sysconfig/network', (text) =>
          withLine(text, /^HOSTNAME=.*$/m, `HOSTNAME=${name}`),
        );
      // Gentoo's; Alpine reads /etc/hostname.
      await editor.edit('/etc/conf.d/hostname', (text) =>
        text.replace(/^hostname=.*$/m, `hostname="${name}"`),
      );
      const older = await editor.real('/etc/HOSTNAME');
      if (older !== (await editor.real('/etc/hostname')) && (await editor.stat(older)) !== undefined)
        await editor.write(older, `${name}\n`);
      if (!inNetwork || (await editor.stat('/etc/hostname')) !== undefined)
        await editor.write('/etc/hostname', `${name}\n`);
      await editor.edit('/etc/hosts', (text) => hostsWith(text, old, name));
    },
  );
  return [];
};

const withLine = (text: string, line: RegExp, wanted: string): string =>
  line.test(text) ? text.replace(line, wanted) : `${text.replace(/\n*$/, '\n')}${wanted}\n`;

/** The old name becomes the new one, long and short; where it was not there, 127.0.1.1 has it (Debian's way). */
export function hostsWith(text: string, old: string | undefined, name: string): string {
  const short = (full: string) => full.split('.')[0]!;
  const words = new Set([name, short(name)]);
  let found = false;
  const lines = text.split('\n').map((line) => {
    const hash = line.indexOf('#');
    const [entry, comment] = hash < 0 ? [line, ''] : [line.slice(0, hash), line.slice(hash)];
    const [address, ...names] = entry.trim().split(/\s+/);
    if (address === '' || names.length === 0) return line;
    const isOld = (word: string) =>
      old !== undefined && !/^localhost/.test(word) && (word === old || short(word) === short(old));
    found ||= names.some((word) => isOld(word) || word === name);
    if (!names.some(isOld)) return line;
    const kept = names.filter((word) => !isOld(word));
    const at = names.findIndex(isOld);
    const named = [...kept.slice(0, at), ...words, ...kept.slice(at)];
    return `${address}\t${[...new Set(named)].join(' ')}${comment === '' ? '' : ` ${comment}`}`;
  });
  return found ? lines.join('\n') : `${text.replace(/\n*$/, '\n')}127.0.1.1\t${[...words].join(' ')}\n`;
}
