/** `list`: environments, or the machines of one. */
import { stat } from 'node:fs/promises';
import type { Composed } from '../compose.ts';
import { AppError } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import type { MachineItem } from '../state/state.ts';
import type { CommonOptions } from './common-options.ts';
import { knowEnvironment, namedEnvironment, type SourceOptions, settingsOf } from './environment-options.ts';
import { formatOf, table, terminalOutput } from './output.ts';
import { withDispatcher } from './session.ts';

export async function list(
  given: string | undefined,
  options: CommonOptions & SourceOptions,
): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  return withDispatcher(options, async (composed) => {
    const named = await namedEnvironment(composed, '', options.profile, options.env);
    if (named !== undefined && given !== undefined)
      throw new AppError(
        'usage',
        `"${given}" and ${options.env === undefined ? '--profile' : '--env'} can not both be given`,
      );
    if (given === undefined && named === undefined) {
      const rows = await environmentRows(composed);
      if (output.json)
        for (const [kind, id, label, summary] of rows) output.value({ kind, id, label, summary });
      else for (const line of table([['KIND', 'NAME', 'LABEL', 'WHAT'], ...rows])) output.line(line);
      return 0;
    }
    const { dispatcher } = composed;
    const { settings, ...of } = { settings: {}, ...(named ?? (await meantBy(composed, given!))) };
    await knowEnvironment(composed, of.environment);
    const more = settingsOf(composed, of.environment, 'setting', options.setting);
    await dispatcher.perform({ type: 'connect', ...of, settings: { ...settings, ...more } });
    await dispatcher.perform({ type: 'list' });
    const { items } = dispatcher.getState().machines;
    if (output.json) for (const item of items) output.value(item);
    else if (items.length === 0) output.remark('no machine was found');
    else for (const line of machineTable(items)) output.line(line);
    return 0;
  });
}

async function environmentRows(composed: Composed): Promise<string[][]> {
  await knowEnvironment(composed);
  const { services, dispatcher } = composed;
  const environments = dispatcher
    .getState()
    .catalog.environments.map((e) => ['environment', e.id, e.label, e.summary]);
  const profiles = (await services.profiles.list()).map((p) => [
    'profile',
    p.name,
    p.environment,
    describe(p.settings),
  ]);
  return [...environments, ...profiles];
}

const describe = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');

/** An environment's id, a profile's name, or a folder here. */
async function meantBy(composed: Composed, name: string) {
  const { services } = composed;
  if (services.plugins.some((plugin) => plugin.id === name)) return { environment: name };
  const profile = (await services.profiles.list()).find((p) => p.name === name);
  if (profile !== undefined) return { environment: profile.environment, profile: profile.id };
  const isFolder = await stat(name).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder && name.includes(':')) {
    throw new AppError('usage', `"${name}": a folder can not be searched whose name has a ":"`, {
      hint: 'name its images one by one, or go into it and say: vmferry list local',
    });
  }
  if (isFolder) return { environment: 'local', settings: { folders: name } };
  await knowEnvironment(composed, name);
  if (services.plugins.some((plugin) => plugin.id === name)) return { environment: name };
  throw new AppError('usage', `"${name}" is no environment, no profile and no folder`, {
    hint: 'see what there is with: vmferry list',
  });
}

/** With the state where the environment knows it of any machine; files are neither on nor off. */
function machineTable(items: readonly MachineItem[]): string[] {
  const rows = [machineHead, ...items.map(machineRow)];
  if (items.every(({ machine }) => machine.state === 'unknown')) return table(rows);
  const states = ['STATE', ...items.map(({ machine }) => machine.state)];
  return table(rows.map(([name = '', ...others], i) => [name, states[i]!, ...others]));
}

const machineHead = ['NAME', 'SYSTEM', 'DISKS', 'SIZE', 'ALLOCATED', 'FORMAT', 'PLACE'];

function machineRow({ machine, images, failure }: MachineItem): string[] {
  const { disks } = machine;
  const sum = (of: (disk: (typeof disks)[number]) => number | undefined) =>
    disks.reduce((total, disk) => total + (of(disk) ?? 0), 0);
  const formats = [
    ...new Set(disks.map((disk) => formatOf({ ...disk, format: images[disk.id]?.format ?? disk.format }))),
  ].join(', ');
  return [
    machine.name,
    machine.system?.name ?? '-',
    String(disks.length),
    formatBytes(sum((d) => d.virtualSizeBytes)),
    formatBytes(sum((d) => d.allocatedSizeBytes)),
    formats,
    failure === undefined ? machine.id : `${machine.id}  ! ${failure.message}`,
  ];
}
