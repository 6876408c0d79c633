/** The tasks of the first start, as scripts. Their names give their order. */
import { basename } from 'node:path';
import { AppError } from '../../../../model/errors.ts';
import type { Finding } from '../../../../model/finding.ts';
import { localText, localUpload } from '../../local-files.ts';
import type { Editor } from '../../tree.ts';
import type { LinuxContext } from '../context.ts';
import { familiesOf, type PackageManager, packageManagerOf } from './package-manager.ts';
import { home } from './runner.ts';
import { type ToolsPackages, toolsPackages } from './tools-packages.ts';

export interface Task {
  readonly name: string;
  /** For people. */
  readonly what: string;
  write(editor: Editor, path: string): Promise<void>;
}

export interface Tasks {
  readonly tasks: readonly Task[];
  readonly findings: readonly Finding[];
}

const maxScriptBytes = 1024 * 1024;

export function tasksOf({ wish, system, target }: LinuxContext): Tasks {
  const add = wish.add ?? {};
  const tasks: Task[] = [];
  const findings: Finding[] = [];
  const manager = packageManagerOf(system);
  const needsManager = (add.packages?.length ?? 0) > 0 || add.agent || add.removeTools;
  if (needsManager && manager === undefined) findings.push(noManager(system.name));
  if (manager !== undefined) {
    if (add.packages !== undefined && add.packages.length > 0) tasks.push(packages(add.packages, manager));
    if (add.agent) {
      const names = agentNames(target.product, familiesOf(system));
      if (names === undefined) findings.push(noAgent(target.product, system.name));
      else tasks.push(agent(names.tools, names.names, manager));
    }
    if (add.removeTools)
      tasks.push(
        ...toolsPackages
          .filter(({ products }) => !products.includes(target.product))
          .map((tools) => removal(tools, manager)),
      );
  }
  for (const [i, path] of (add.firstBoot ?? []).entries()) tasks.push(script(path, i));
  return { tasks, findings };
}

/** A name that needs no quotes in any shell. */
const plain = (path: string) =>
  basename(path)
    .replace(/[^A-Za-z0-9._+~-]/g, '_')
    .replace(/^[-.]/, '_');

const shell = (name: string, what: string, body: string): Task => ({
  name,
  what,
  write: (editor, path) => editor.write(path, `#!/bin/sh\n${body}`, { mode: 0o700 }),
});

function packages(paths: readonly string[], { kind, endings, installFiles }: PackageManager): Task {
  for (const path of paths) {
    if (endings.some((ending) => path.endsWith(ending))) continue;
    throw new AppError('usage', `the guest's packages are those of ${kind}, this is none`, {
      where: path,
      hint: `give files that end in ${endings.join(' or ')}`,
    });
  }
  const folder = '10-packages.files';
  return {
    name: '10-packages',
    what: `${paths.length === 1 ? 'a package is' : `${paths.length} packages are`} installed`,
    async write(editor, path) {
      const into = `${home}/${folder}`;
      for (const [i, from] of paths.entries())
        await editor.upload(`${into}/${i + 1}-${plain(from)}`, await localUpload(from), { mode: 0o644 });
      const files = `"\${VMFERRY_ROOT-}${into}"/*`;
      await editor.write(path, `#!/bin/sh\n${installFiles(files)}\n`, { mode: 0o700 });
    },
  };
}

function agentNames(product: string, families: readonly string[]) {
  const tools = toolsPackages.find(({ products }) => products.includes(product));
  const family = families.find((name) => tools?.install[name] !== undefined) ?? '*';
  const names = tools?.install[family];
  return tools === undefined || names === undefined ? undefined : { tools, names };
}

const agent = ({ name, services }: ToolsPackages, names: readonly string[], manager: PackageManager): Task =>
  shell(
    '20-agent',
    `${name} comes from the guest's own repositories`,
    `${names.map((each) => `${manager.has(each)} || ${manager.install(each)}`).join(' || ')} || exit 1
for service in ${services.join(' ')}; do
  if command -v systemctl >/dev/null 2>&1; then
    systemctl cat "$service.service" >/dev/null 2>&1 || continue
    systemctl unmask "$service.service"
    systemctl enable "$service.service"
    systemctl --no-block start "$service.service"
  elif command -v rc-update >/dev/null 2>&1; then
    [ -e "/etc/init.d/$service" ] || continue
    rc-update add "$service" default
    rc-service "$service" start
  else
    [ ! -x "/etc/init.d/$service" ] || "/etc/init.d/$service" start
  fi
done
exit 0
`,
  );

const removal = (
  { products, name, remove, uninstallers = [] }: ToolsPackages,
  manager: PackageManager,
): Task =>
  shell(
    `30-remove-${products[0]}`,
    `${name}: removed where it is installed`,
    `failed=0
${uninstallers.map((path) => `for program in ${path.split(' ')[0]}; do [ ! -x "$program" ] || "$program"${path.includes(' ') ? ` ${path.slice(path.indexOf(' ') + 1)}` : ''} || failed=1; done\n`).join('')}${remove
  .map((each) => `if ${manager.has(each)}; then ${manager.remove(each)} || failed=1; fi\n`)
  .join('')}exit $failed
`,
  );

const script = (path: string, index: number): Task => ({
  name: `50-${String(index + 1).padStart(2, '0')}-${plain(path)}`,
  what: `${basename(path)} is run`,
  write: async (editor, to) => editor.write(to, await localText(path, maxScriptBytes), { mode: 0o700 }),
});

const noManager = (system: string): Finding => ({
  rule: 'guest.no-package-manager',
  severity: 'blocker',
  message: `${system} has no package manager that is known here: nothing can be installed or removed`,
  remedy: 'leave packages, agent and removal of tools out, or do it in a script of the first start',
});

const noAgent = (product: string, system: string): Finding => ({
  rule: 'guest.no-agent',
  severity: 'warning',
  message: `no agent for ${product} is known for ${system}: none is installed`,
});
