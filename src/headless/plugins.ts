/** `plugins`: what there is, what may be loaded, and where they come from. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Composed, compose } from '../compose.ts';
import { AppError } from '../model/errors.ts';
import { loadOutside, trustPlace } from '../outside-plugins.ts';
import { packageRoot, packageVersion } from '../package-root.ts';
import { describeProcess } from '../plugin-process/connect-process.ts';
import type { PluginEntry, PluginPlace } from '../plugins/entry.ts';
import { findPlugins, isPackageName } from '../plugins/find.ts';
import type { OutsidePlugin } from '../plugins/load.ts';
import type { CommonOptions } from './common-options.ts';
import { type Output, table, terminalOutput } from './output.ts';

export interface PluginsOptions extends CommonOptions {
  readonly process?: string;
}

export const pluginActions = ['trust', 'distrust', 'add', 'remove'] as const;

type Action = (composed: Composed, what: readonly string[], output: Output) => Promise<number>;

export async function plugins(
  action: string | undefined,
  what: readonly string[],
  options: PluginsOptions,
): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  const actions: Readonly<Record<(typeof pluginActions)[number], Action>> = {
    trust,
    distrust,
    add: (composed, given, to) =>
      options.process === undefined
        ? add(composed, given, to)
        : addProcess(composed, options.process, given, to),
    remove,
  };
  const named = pluginActions.find((one) => one === action);
  const run = action === undefined ? list : named === undefined ? undefined : actions[named];
  if (run === undefined) {
    throw new AppError('usage', `plugins ${action}: there is no such action`, {
      hint: `there are: ${pluginActions.join(', ')}; without one they are listed`,
    });
  }
  const composed = await compose({
    canAsk: false,
    say: (text) => void process.stderr.write(`vmferry: ${text}\n`),
  });
  return run(composed, what, output);
}

const list: Action = async ({ outside }, _, output) => {
  const builtIn = outside.plugins.map((plugin) => ({
    name: plugin.id,
    id: plugin.id,
    label: plugin.label,
    version: packageVersion(),
    roles: plugin.roles,
    origin: 'built in',
    status: 'loaded',
  }));
  const found = (await loadOutside(outside)).map(toldOf);
  for (const one of output.json ? [...builtIn, ...found] : []) output.value(one);
  if (output.json) return 0;
  const rows = [...builtIn, ...found].map((one) => [
    one.name,
    one.version ?? '-',
    one.roles?.join(', ') ?? '-',
    one.origin,
    one.status,
    ('reason' in one ? one.reason : undefined) ?? ('where' in one ? one.where : one.label),
  ]);
  for (const line of table([['NAME', 'VERSION', 'ROLES', 'FROM', 'STATUS', ''], ...rows])) output.line(line);
  output.remark(`plugins are looked for in ${outside.paths.plugins}`);
  return 0;
};

const toldOf = ({ place, status, version, plugin, reason }: OutsidePlugin) => ({
  name: place.name,
  ...(plugin === undefined ? {} : { id: plugin.id, label: plugin.label, roles: plugin.roles }),
  ...(version === undefined ? {} : { version }),
  origin: place.origin,
  where: place.where,
  status,
  ...(reason === undefined ? {} : { reason }),
});

const trust: Action = async ({ outside }, what, output) => {
  const place = await placeNamed({ outside }, one(what, 'trust'));
  const { described, hash } = await trustPlace(outside, place);
  if (output.json)
    output.value({ ...described, name: place.name, where: place.where, status: 'loaded', hash });
  else output.line(`trusted: ${place.name}, "${described.label}" (${described.id}), ${place.where}`);
  return 0;
};

const distrust: Action = async ({ outside }, what, output) => {
  const place = await placeNamed({ outside }, one(what, 'distrust'));
  await outside.preferences.update(({ trustedPlugins: { [place.key]: _, ...rest } }) => ({
    trustedPlugins: rest,
  }));
  if (output.json) output.value({ name: place.name, where: place.where, status: 'untrusted' });
  else output.line(`no longer trusted: ${place.name}`);
  return 0;
};

const add: Action = async (composed, what, output) => {
  const given = one(what, 'add');
  const path = resolve(given);
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (!isFolder && !isPackageName(given)) {
    throw new AppError('usage', `"${given}" is no folder and no name of a package`);
  }
  const entry: PluginEntry = isFolder ? { kind: 'folder', path } : { kind: 'package', name: given };
  await keep(composed, entry);
  if (output.json) output.value(entry);
  else output.line(`added: ${given}; it is loaded once you say: vmferry plugins trust ${given}`);
  return 0;
};

/** Typing the command is the user's word for it. */
async function addProcess(
  composed: Composed,
  name: string,
  command: readonly string[],
  output: Output,
): Promise<number> {
  if (command.length === 0) {
    throw new AppError('usage', 'the command of the process is missing', {
      hint: `vmferry plugins add --process ${name} -- ssh host vmferry plugin-serve local`,
    });
  }
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name))
    throw new AppError('usage', `"${name}": a name is of a-z, 0-9, ".", "_" and "-"`);
  if (composed.outside.plugins.some((plugin) => plugin.id === name))
    throw new AppError('conflict', `"${name}" is an environment that is built in`, {
      hint: 'choose another name',
    });
  const told = await describeProcess(command);
  const described = { ...told, id: name, label: `${told.label} (${name})` };
  const entry: PluginEntry = { kind: 'process', name, command, described };
  await keep(composed, entry);
  return trust(composed, [name], output);
}

const remove: Action = async ({ outside }, what, output) => {
  const given = one(what, 'remove');
  const isNamed = (entry: PluginEntry) =>
    entry.kind === 'folder' ? entry.path === resolve(given) : entry.name === given;
  const { plugins: entries } = await outside.preferences.load();
  const entry = entries.find(isNamed);
  if (entry === undefined) {
    throw new AppError('not-found', `"${given}" is not named in the preferences`, {
      hint: `what lies in ${outside.paths.plugins} is removed by removing its folder`,
    });
  }
  const places = await findPlugins({ ...sourcesOf({ outside }), entries: [entry] });
  const place = places.find(
    (p) => p.origin === entry.kind && (p.name === given || p.where === resolve(given)),
  );
  await outside.preferences.update((now) => {
    const { [place?.key ?? '']: _, ...trustedPlugins } = now.trustedPlugins;
    return { plugins: now.plugins.filter((other) => !isNamed(other)), trustedPlugins };
  });
  if (output.json) output.value(entry);
  else output.line(`removed: ${given}`);
  return 0;
};

/** One entry of a kind and name: the new one takes the place of the former. */
async function keep({ outside }: Composed, entry: PluginEntry): Promise<void> {
  const nameOf = (e: PluginEntry) => `${e.kind}:${e.kind === 'folder' ? e.path : e.name}`;
  await outside.preferences.update((now) => ({
    plugins: [...now.plugins.filter((other) => nameOf(other) !== nameOf(entry)), entry],
  }));
}

type Outside = Pick<Composed, 'outside'>;

const sourcesOf = ({ outside }: Outside) => ({
  folder: outside.paths.plugins,
  programFolder: packageRoot(),
});

/** By its name or its path. @throws AppError `usage` listing what there is. */
async function placeNamed({ outside }: Outside, given: string): Promise<PluginPlace> {
  const { plugins: entries } = await outside.preferences.load();
  const places = await findPlugins({ ...sourcesOf({ outside }), entries });
  const path = resolve(given);
  const found = places.filter((p) => p.name === given || p.where === path || p.key === path);
  if (found.length === 1) return found[0]!;
  const names = (found.length === 0 ? places : found).map((p) => (found.length === 0 ? p.name : p.where));
  throw new AppError(
    'usage',
    `${found.length === 0 ? 'there is no plugin' : 'there are several plugins'} "${given}"`,
    {
      hint:
        names.length === 0
          ? `put one into ${outside.paths.plugins}, or name one with: vmferry plugins add`
          : `there are: ${names.join(', ')}`,
    },
  );
}

function one(what: readonly string[], action: string): string {
  if (what.length === 1 && what[0] !== '') return what[0]!;
  throw new AppError('usage', `plugins ${action} takes one name or folder`);
}
