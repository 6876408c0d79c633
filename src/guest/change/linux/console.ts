/** Where the system talks while it starts. */
import type { Editor } from '../tree.ts';
import { bootEntries, entrySources, grubEnvironments, inEnvironment } from './boot-files.ts';
import type { LinuxChange } from './context.ts';

/** Consoles of Xen: elsewhere nothing is behind them, and the kernel waits for the last one that is named. */
const foreign = /(^|[\s"'])console=(?:hvc|xvc)\d+(?:,\S*)?(?=[\s"']|$)/gm;
/** The lines with arguments: in the others of these files a kernel is named alone. */
const lines = {
  entry: /^(\s*options\s.*?)(\s*)$/gm,
  syslinux: /^(\s*append\s.*?)(\s*)$/gim,
  grub: /^(\s*(?:linux|linuxefi|linux16|kernel)\s.*?)(\s*)$/gm,
};
const variable = /^(GRUB_CMDLINE_LINUX|EXTLINUX_PARAMETERS|default_kernel_opts)=(["']?)(.*?)\2[ \t]*$/gm;
const serial = 'console=tty0 console=ttyS0,115200n8';

export const leaveXenConsole: LinuxChange = async (tree, { target }) => {
  if (target.product === 'xen') return [];
  await tree.change(
    {
      id: 'console.xen',
      title: 'The console is no longer that of Xen',
      reason: 'hvc0 and xvc0 are there under Xen only',
      need: 'needed',
    },
    async (editor) => {
      const plain = (text: string) => text.replace(foreign, '$1');
      for (const path of await kernelFiles(editor)) await editor.edit(path, plain);
      for (const path of grubEnvironments) await editor.edit(path, (text) => inEnvironment(text, plain));
      await editor.edit('/etc/inittab', (text) => text.replace(/^([^#\n].*\b(?:hvc|xvc)0\b)/gm, '#$1'));
    },
  );
  return [];
};

export const addSerialConsole: LinuxChange = async (tree, { target, wish }) => {
  const asked = wish.add?.serialConsole === true;
  const nothingElse = target.console === 'serial' && wish.changes === 'needed';
  if (!asked && !nothingElse) return [];
  await tree.change(
    {
      id: 'console.serial',
      title: 'The console is the serial port',
      reason: asked ? 'as it was asked for' : 'the destination shows nothing else while the system starts',
      need: asked ? 'asked' : 'advised',
    },
    async (editor) => {
      for (const path of await entrySources(editor))
        await editor.edit(path, path === '/etc/kernel/cmdline' ? inWhole : inVariables);
      for (const path of await bootEntries(editor)) await editor.edit(path, (text) => inLines(text, path));
      await editor.edit('/etc/inittab', (text) =>
        text.includes('ttyS0')
          ? text.replace(/^#(\s*\S*ttyS0)/m, '$1')
          : `${text.replace(/\n*$/, '\n')}S0:2345:respawn:/sbin/getty -L 115200 ttyS0 vt100\n`,
      );
    },
  );
  return [];
};

const kernelFiles = async (view: Pick<Editor, 'list'>): Promise<string[]> => [
  ...(await entrySources(view)),
  ...(await bootEntries(view)),
];

const add = (line: string) => (/\bconsole=ttyS0\b/.test(line) ? line : `${line} ${serial}`.trim());

/** The file is one line of arguments. */
const inWhole = (text: string): string => text.replace(/\S.*/, add);

const inVariables = (text: string): string =>
  text.replace(variable, (_all, key: string, quote: string, value: string) => {
    const mark = quote || '"';
    return `${key}=${mark}${add(value)}${mark}`;
  });

function inLines(text: string, path: string): string {
  const kind = /\/loader\/entries\//.test(path)
    ? 'entry'
    : /linux\.c(?:onf|fg)$/.test(path)
      ? 'syslinux'
      : 'grub';
  return text.replace(lines[kind], (all, line: string, rest: string) =>
    /\bconsole=ttyS0\b/.test(line) ? all : `${line} ${serial}${rest}`,
  );
}
