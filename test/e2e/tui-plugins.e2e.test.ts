/** A plugin from outside on the Environment screen: left out, trusted with a key, loaded, and there again next time. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../oracles/requires.ts';
import { goodPlugin } from '../plugins/broken-plugins.ts';
import { tempFolder } from '../temp.ts';
import { openTerminal, type Terminal } from './tmux.ts';

const program = `${process.execPath} ${resolve('dist/cli.js')}`;

async function toPlugin(terminal: Terminal, name: string): Promise<string> {
  await terminal.until('Continue without credentials');
  await terminal.send('Enter');
  await terminal.until('This computer');
  await terminal.send('/');
  await terminal.type(name);
  await terminal.send('Enter');
  return terminal.until('1 of ');
}

describeWith(['tmux'], 'a plugin that is left out', () => {
  it('says why, is trusted after a question, and loaded', async () => {
    const home = await tempFolder();
    const plugins = join(home, 'config', 'plugins');
    for (const [name, code] of [
      ['mine', goodPlugin('mine').replace(/label: '[^']*'/, "label: 'Mine at home'")],
      ['worse', 'export default 5'],
    ] as const) {
      await mkdir(join(plugins, name), { recursive: true });
      await writeFile(
        join(plugins, name, 'package.json'),
        '{"type":"module","version":"1.2.3","main":"./x.js"}',
      );
      await writeFile(join(plugins, name, 'x.js'), code);
    }
    const open = () =>
      openTerminal(`${program}; echo "ended with $?"; sleep 600`, {
        ...{ columns: 80, rows: 24, cwd: home },
        env: { VMFERRY_HOME: home, HOME: home },
      });
    const terminal = await open();
    expect(await toPlugin(terminal, 'mine')).toMatch(/Plugin mine +not trusted/);
    await terminal.send('Enter');
    await terminal.until('Trust the plugin "mine", version 1.2.3?');
    await terminal.until('plugin folder');
    await terminal.send('y');
    await terminal.until('is trusted and loaded');
    await terminal.until(/Mine at home +ready/);
    await terminal.send('q');
    await terminal.until('ended with 0');

    const again = await open();
    expect(await toPlugin(again, 'mine')).toMatch(/Mine at home +ready/);
    await again.send('/');
    for (const _ of 'mine') await again.send('BSpace');
    await again.type('worse');
    await again.send('Enter');
    await again.until(/Plugin worse +not trusted/);
    await again.send('Enter');
    await again.until('Trust the plugin "worse"');
    await again.send('y');
    // What can't be loaded is not trusted.
    await again.until('Error: the plugin "worse"');
    await again.until(/Plugin worse +not trusted/);
    await again.send('q');
    await again.until('ended with 0');
  });
});
