/** `environments`: what machines can come from and go to, and the settings of each. */
import { AppError } from '../model/errors.ts';
import type { Field } from '../model/field.ts';
import type { EnvironmentInfo } from '../state/state.ts';
import type { CommonOptions } from './common-options.ts';
import { knowEnvironment } from './environment-options.ts';
import { table, terminalOutput } from './output.ts';
import { withDispatcher } from './session.ts';

export async function environments(id: string | undefined, options: CommonOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  return withDispatcher(options, async (composed) => {
    await knowEnvironment(composed, id);
    const all = composed.dispatcher.getState().catalog.environments;
    const wanted = id === undefined ? all : all.filter((e) => e.id === id);
    if (wanted.length === 0) {
      throw new AppError('usage', `"${id}" is not an environment known here`, {
        hint: `known are: ${all.map((e) => e.id).join(', ')}`,
      });
    }
    for (const environment of wanted) {
      if (output.json) output.value(environment);
      else for (const line of describeEnvironment(environment)) output.line(line);
    }
    return 0;
  });
}

export function describeEnvironment({ id, label, summary, roles, fields }: EnvironmentInfo): string[] {
  const rows = fields.map((field) => [`    ${field.key}`, kindOf(field), field.help]);
  return [
    `${id}: ${label}`,
    `  ${summary}`,
    `  can be: ${roles.join(' and ')}`,
    ...(rows.length === 0 ? [] : ['  settings:', ...table(rows)]),
  ];
}

function kindOf({ kind, required, choices, default: usual }: Field): string {
  const what = kind === 'secret' ? 'secret' : kind === 'boolean' ? 'yes, no' : choices?.join(', ');
  const parts = [what, required ? 'needed' : undefined, usual === undefined ? undefined : `usually ${usual}`];
  return parts.filter((part) => part !== undefined).join('; ');
}
