/**
 * Tasks of the first start of a Windows. A service of our own starts them: it needs one key in the registry, is there
 * in every edition, runs before anybody logs in and as LocalSystem. (RunOnce waits for an administrator's login; a
 * script of the group policy is overruled in a domain and holds the login up; a task of the scheduler is signed by its
 * hash; a real service would be a program to carry along.) What it starts is cmd.exe, which leaves the script behind
 * and ends at once; the service manager notes that as a failure to start, with ErrorControl 0 without a further word.
 */
import { basename } from 'node:path';
import { AppError } from '../../../model/errors.ts';
import type { Finding } from '../../../model/finding.ts';
import { localUpload } from '../local-files.ts';
import type { Editor } from '../tree.ts';
import { atLeast, type WindowsChange, type WindowsContext } from './context.ts';
import { addressTask } from './first-boot-network.ts';
import {
  agentTask,
  driversTask,
  removalTask,
  runner,
  runnerCommand,
  serviceName,
} from './first-boot-scripts.ts';
import { realPath } from './paths.ts';

/** A script of PowerShell 2, which Windows 7 brings. */
export interface WindowsTask {
  readonly name: string;
  /** For people. */
  readonly what: string;
  readonly script: string;
  /** Files beside the scripts that it needs. */
  readonly files?: readonly {
    readonly name: string;
    readonly upload: Awaited<ReturnType<typeof localUpload>>;
  }[];
}

export const addFirstBoot: WindowsChange = async (tree, context) => {
  const { tasks, findings } = await tasksOf(context);
  if (tasks.length === 0) return findings;
  if (!atLeast(context.release, 6, 1)) return [...findings, tooOld(context, tasks)];
  await tree.change(
    {
      id: 'first-boot',
      title: 'Tasks are run at the first start',
      reason: tasks.map(({ what }) => what).join('; '),
      need: context.wish.changes === 'needed' ? 'needed' : 'asked',
    },
    async (editor) => {
      const folder = await realPath(editor, '/Windows/vmferry');
      for (const { name, script, files = [] } of tasks) {
        await editor.write(`${folder}/tasks/${name}.ps1`, withLines(script));
        for (const file of files) await editor.upload(`${folder}/files/${file.name}`, file.upload);
      }
      await editor.write(`${folder}/run.ps1`, withLines(runner));
      service(editor, context.controlSet);
    },
  );
  return findings;
};

/** PowerShell reads a script without a mark in the code page of the computer. */
const withLines = (text: string): Buffer => Buffer.from(`\uFEFF${text.replace(/\r?\n/g, '\r\n')}`, 'utf8');

function service(editor: Editor, controlSet: string): void {
  const key = `${controlSet}\\Services\\${serviceName}`;
  const set = (name: string, data: number) =>
    editor.registry({ hive: 'SYSTEM', key, name, value: { type: 'dword', data } });
  // A program of its own, started with the system, whose failure is no news.
  set('Type', 0x10);
  set('Start', 2);
  set('ErrorControl', 0);
  const put = (name: string, value: Parameters<Editor['registry']>[0]['value']) =>
    editor.registry({ hive: 'SYSTEM', key, name, ...(value === undefined ? {} : { value }) });
  put('ImagePath', { type: 'expand-sz', data: runnerCommand });
  put('ObjectName', { type: 'sz', data: 'LocalSystem' });
  put('DisplayName', { type: 'sz', data: 'First start after this machine was carried here' });
  put('DependOnService', { type: 'multi-sz', data: ['Winmgmt'] });
}

async function tasksOf(context: WindowsContext): Promise<{ tasks: WindowsTask[]; findings: Finding[] }> {
  const { wish, drivers, target } = context;
  const tasks: WindowsTask[] = [];
  const findings: Finding[] = [];
  const add = wish.add ?? {};
  if (wish.changes === 'needed') {
    if (drivers !== undefined) tasks.push(driversTask);
    const addresses = addressTask(context);
    findings.push(...addresses.findings);
    if (addresses.task !== undefined) tasks.push(addresses.task);
  }
  if (add.agent) {
    const agent = agentTask(context);
    if (agent === undefined)
      findings.push({
        rule: 'guest.no-agent',
        severity: 'warning',
        message: `there is no agent for ${target.product} in the drivers that were given: none is installed`,
        remedy: 'give the ISO image of virtio-win, or install the agent in the guest',
      });
    else tasks.push(agent);
  }
  if (add.removeTools && target.product !== 'vmware') tasks.push(removalTask);
  for (const [i, path] of (add.packages ?? []).entries()) tasks.push(await programTask(path, i));
  for (const [i, path] of (add.firstBoot ?? []).entries()) tasks.push(await scriptTask(path, i));
  return { tasks, findings };
}

const plain = (path: string) => basename(path).replace(/[^A-Za-z0-9._-]/g, '_');

async function programTask(path: string, index: number): Promise<WindowsTask> {
  if (!/\.msi$/i.test(path))
    throw new AppError('usage', 'packages of Windows that can be installed here end in .msi', {
      where: path,
    });
  const name = `${index + 1}-${plain(path)}`;
  return {
    name: `40-${String(index + 1).padStart(2, '0')}-package`,
    what: `${basename(path)} is installed`,
    script: `exit (Install-Package '${name}')\n`,
    files: [{ name, upload: await localUpload(path) }],
  };
}

/** By how they are run. */
const starters: Readonly<Record<string, (file: string) => string>> = {
  '.ps1': (file) =>
    `& ([ScriptBlock]::Create([IO.File]::ReadAllText("$files\\${file}")))\nexit $LASTEXITCODE\n`,
  '.cmd': (file) => `& cmd.exe /c "$files\\${file}"\nexit $LASTEXITCODE\n`,
  '.bat': (file) => `& cmd.exe /c "$files\\${file}"\nexit $LASTEXITCODE\n`,
};

async function scriptTask(path: string, index: number): Promise<WindowsTask> {
  const name = `${index + 1}-${plain(path)}`;
  const starter = starters[/\.[^.]+$/.exec(name)?.[0].toLowerCase() ?? ''];
  if (starter === undefined)
    throw new AppError('usage', 'scripts for Windows end in .ps1, .cmd or .bat', { where: path });
  return {
    name: `50-${String(index + 1).padStart(2, '0')}-script`,
    what: `${basename(path)} is run`,
    script: starter(name),
    files: [{ name, upload: await localUpload(path) }],
  };
}

const tooOld = ({ system }: WindowsContext, tasks: readonly WindowsTask[]): Finding => ({
  rule: 'guest.no-first-boot',
  severity: 'warning',
  message: `${system.name} is older than Windows 7: nothing is run at its first start (${tasks.map(({ what }) => what).join('; ')})`,
  remedy: 'do it by hand in the guest',
});
