/** Where the system talks while it starts. */
import type { LinuxChange } from './context.ts';

/** Consoles of Xen: elsewhere nothing is behind them, and the kernel waits for the last one that is named. */
const foreign = /(^|[\s"'])console=(?:hvc|xvc)\d+(?:,\S*)?(?=[\s"']|$)/gm;
/** A kernel line that is handed arguments, or the variables that such lines are made of. */
const kernelLine = /^(\s*(?:linux|linuxefi|linux16|kernel|options|APPEND)\s.*?)(\s*)$/gim;
const kernelVariable = /^(GRUB_CMDLINE_LINUX=)(["']?)(.*?)\2[ \t]*$/gm;
const serial = 'console=tty0 console=ttyS0,115200n8';

const configs = [
  ...['/boot/grub/grub.cfg', '/boot/grub2/grub.cfg', '/boot/grub/menu.lst', '/boot/grub/grub.conf'],
  ...['/boot/extlinux.conf', '/boot/extlinux/extlinux.conf', '/etc/kernel/cmdline', '/etc/default/grub'],
];

export const changeConsole: LinuxChange = async (tree, { target }) => {
  const entries: string[] = [];
  for (const folder of ['/boot/loader/entries', '/boot/efi/loader/entries'])
    for (const name of await tree.view.list(folder))
      if (name.endsWith('.conf')) entries.push(`${folder}/${name}`);
  const all = [...configs, ...entries];
  if (target.product !== 'xen') {
    await tree.change(
      {
        id: 'console.xen',
        title: 'The console is no longer that of Xen',
        reason: 'hvc0 and xvc0 are there under Xen only',
        need: 'needed',
      },
      async (editor) => {
        for (const path of all) await editor.edit(path, (text) => text.replace(foreign, '$1'));
        await editor.edit('/etc/inittab', (text) => text.replace(/^([^#\n].*\b(?:hvc|xvc)0\b)/gm, '#$1'));
      },
    );
  }
  if (target.console === 'serial') {
    await tree.change(
      {
        id: 'console.serial',
        title: 'The console is the serial port',
        reason: 'the destination shows nothing else while the system starts',
        need: 'advised',
      },
      async (editor) => {
        for (const path of all) await editor.edit(path, withSerial);
        await editor.edit('/etc/inittab', (text) =>
          text.includes('ttyS0')
            ? text.replace(/^#(\s*\S*ttyS0)/m, '$1')
            : `${text.replace(/\n*$/, '\n')}S0:2345:respawn:/sbin/getty -L 115200 ttyS0 vt100\n`,
        );
      },
    );
  }
  return [];
};

function withSerial(text: string): string {
  const add = (line: string) => (/\bconsole=ttyS0\b/.test(line) ? line : `${line} ${serial}`);
  return text
    .replace(kernelLine, (_all, line: string, rest: string) => add(line) + rest)
    .replace(kernelVariable, (_all, key: string, quote: string, value: string) => {
      const mark = quote || '"';
      return `${key}${mark}${add(value).trim()}${mark}`;
    });
}
