/** Tasks of the first start, put into the guest with what starts them there: systemd, OpenRC or System V. */
import type { Finding } from '../../../../model/finding.ts';
import type { Editor } from '../../tree.ts';
import type { LinuxChange } from '../context.ts';
import { home, initPath, initScript, localPath, localStart, runner, unit, unitPath } from './runner.ts';
import { tasksOf } from './tasks.ts';

/** Files are made by `write`; all of `hooks` is what the script takes away in the end. */
interface Start {
  readonly hooks: readonly string[];
  write(editor: Editor): Promise<void>;
}

export const addFirstBoot: LinuxChange = async (tree, context) => {
  const { tasks, findings } = tasksOf(context);
  if (tasks.length === 0) return [...findings];
  const start = await startOf(context.system.init, tree.view);
  if (start === undefined) return [...findings, noStart(context.system.init)];
  await tree.change(
    {
      id: 'first-boot',
      title: 'Tasks are run at the first start',
      reason: `as it was asked for: ${tasks.map(({ what }) => what).join('; ')}`,
      need: 'asked',
    },
    async (editor) => {
      await editor.folder(home, { mode: 0o700 });
      for (const task of tasks) await task.write(editor, `${home}/tasks/${task.name}`);
      await editor.write(`${home}/run.sh`, runner(start.hooks), { mode: 0o700 });
      await start.write(editor);
    },
  );
  return [...findings];
};

async function startOf(init: string | undefined, view: Pick<Editor, 'stat'>): Promise<Start | undefined> {
  if (init === 'systemd') {
    const wanted = '/etc/systemd/system/multi-user.target.wants/vmferry-first-boot.service';
    return {
      hooks: [wanted, unitPath],
      async write(editor) {
        await editor.write(unitPath, unit);
        await editor.link(wanted, unitPath);
      },
    };
  }
  if (init === 'openrc') {
    return {
      hooks: [localPath],
      async write(editor) {
        await editor.write(localPath, localStart, { mode: 0o755 });
        await editor.link('/etc/runlevels/default/local', '/etc/init.d/local');
      },
    };
  }
  if (init !== 'sysvinit') return undefined;
  // Debian's and Red Hat's folders, then those of the older SUSE.
  const levels: string[] = [];
  for (const folder of ['/etc/rc', '/etc/init.d/rc'])
    for (const level of ['2', '3', '5'])
      if (levels.length < 3 && (await view.stat(`${folder}${level}.d`))?.kind === 'folder')
        levels.push(`${folder}${level}.d/S99vmferry-first-boot`);
  if (levels.length === 0) return undefined;
  return {
    hooks: [...levels, initPath],
    async write(editor) {
      await editor.write(initPath, initScript, { mode: 0o755 });
      for (const path of levels) await editor.link(path, initPath);
    },
  };
}

const noStart = (init: string | undefined): Finding => ({
  rule: 'guest.no-first-boot',
  severity: 'blocker',
  message: `nothing can be run at the first start of the guest: its init is ${init ?? 'not known'}`,
  remedy: 'leave the packages, the agent and the scripts out, and run them in the guest',
});
