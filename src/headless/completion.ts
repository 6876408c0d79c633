/** `completion`: scripts for shells, made from the commands as they are. */
import type { Command } from 'commander';
import { AppError } from '../model/errors.ts';
import { pluginActions } from './plugins.ts';

/** Prints the script. @throws AppError `usage` for an unknown shell. */
export function completion(program: Command, shell: string): number {
  const script = scripts[shell];
  if (script === undefined) {
    throw new AppError('usage', `there is no completion for "${shell}"`, {
      hint: `there is for ${Object.keys(scripts).join(', ')}`,
    });
  }
  process.stdout.write(script(commandsOf(program)));
  return 0;
}

/** What there is on this computer, a name a line: asked for when the key is pressed. */
const listed = (kind: 'environment' | 'profile'): string =>
  `vmferry list 2>/dev/null | sed -n 's/^${kind}  *\\([^ ].*\\)$/\\1/p' | sed 's/   *.*//'`;

/** Options that take one of a few values. */
function valuesOf(commands: readonly CommandWords[]): { flag: string; values: readonly string[] }[] {
  const found = commands.flatMap((command) => command.options).filter(({ values }) => values.length > 0);
  return [...new Map(found.map(({ flag, values }) => [flag, { flag, values }])).values()];
}

const actionsOf: Readonly<Record<string, readonly string[]>> = {
  plugins: pluginActions,
  completion: ['bash', 'zsh', 'fish'],
};

interface CommandWords {
  readonly name: string;
  readonly description: string;
  /** What the word after it can be, where that is one of a few. */
  readonly actions: readonly string[];
  readonly options: readonly OptionWords[];
}

interface OptionWords {
  readonly flag: string;
  readonly description: string;
  readonly takesValue: boolean;
  readonly repeats: boolean;
  readonly values: readonly string[];
}

const visible = (program: Command): Command[] =>
  program.commands.filter((command) => program.createHelp().visibleCommands(program).includes(command));

const commandsOf = (program: Command): CommandWords[] =>
  visible(program).map((command) => ({
    name: command.name(),
    description: command.description(),
    actions: actionsOf[command.name()] ?? [],
    options: command.options.map((o) => ({
      flag: o.long ?? o.short ?? '',
      description: o.description,
      takesValue: o.required || o.optional,
      repeats: o.parseArg !== undefined,
      values: o.argChoices ?? [],
    })),
  }));

const named: Readonly<Record<string, 'environment' | 'profile'>> = {
  '--env': 'environment',
  '--to-env': 'environment',
  '--profile': 'profile',
  '--to-profile': 'profile',
};

/** `_arguments` of zsh: `*--flag[what it is]:name of the value:how to complete it`. */
function zshOption({ flag, description, takesValue, repeats, values }: OptionWords): string {
  const told = `${repeats ? '*' : ''}${flag}[${description.replace(/[[\]:]/g, ' ')}]`;
  const kind = named[flag];
  if (kind !== undefined) return quote(`${told}:${kind}:{compadd -- \${(f)"$(${listed(kind)})"}}`);
  if (values.length > 0) return quote(`${told}:value:(${values.join(' ')})`);
  return quote(takesValue ? `${told}:value:_files` : told);
}

const zshArguments = ({ options, actions }: CommandWords): string =>
  [
    ...options.map(zshOption),
    // The command itself is the first one.
    ...(actions.length === 0 ? [] : [`'1: :'`, quote(`2:action:(${actions.join(' ')})`)]),
    `'*:file:_files'`,
  ].join(' ');

function fishOption({ flag, description, takesValue, values }: OptionWords): string {
  const kind = named[flag];
  const value =
    kind !== undefined
      ? `-x -a ${quote(`(${listed(kind)})`)} `
      : values.length > 0
        ? `-x -a ${quote(values.join(' '))} `
        : takesValue
          ? '-r '
          : '';
  return `-l ${flag.replace(/^--/, '')} ${value}-d ${quote(description)}`;
}

const scripts: Readonly<Record<string, (commands: readonly CommandWords[]) => string>> = {
  bash: (commands) => `_vmferry() {
  local word=\${COMP_WORDS[COMP_CWORD]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${commands.map((c) => c.name).join(' ')} --help --version"
  else
    case \${COMP_WORDS[1]} in
${commands.map((c) => `      ${c.name}) words="${c.options.map((o) => o.flag).join(' ')} --help" ;;`).join('\n')}
    esac
  fi
  if [ "$COMP_CWORD" -eq 2 ] && [ "\${word:0:1}" != - ]; then
    case \${COMP_WORDS[1]} in
${commands
  .filter((c) => c.actions.length > 0)
  .map((c) => `      ${c.name}) COMPREPLY=($(compgen -W "${c.actions.join(' ')}" -- "$word")); return ;;`)
  .join('\n')}
    esac
  fi
  case \${COMP_WORDS[COMP_CWORD-1]} in
    --env|--to-env) words=$(${listed('environment')}) ;;
    --profile|--to-profile)
      local IFS=$'\\n'
      COMPREPLY=($(compgen -W "$(${listed('profile')})" -- "$word"))
      COMPREPLY=("\${COMPREPLY[@]// /\\\\ }")
      return ;;
${valuesOf(commands)
  .map(({ flag, values }) => `    ${flag}) words="${values.join(' ')}" ;;`)
  .join('\n')}
    *) false ;;
  esac
  if [ $? -eq 0 ] || [ "$COMP_CWORD" -eq 1 ] || [ "\${word:0:1}" = - ]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  else
    compopt -o filenames
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -F _vmferry vmferry
`,
  zsh: (commands) => `#compdef vmferry
_vmferry() {
  local -a commands=(
${commands.map((c) => `    ${quote(`${c.name}:${c.description}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
${commands.map((c) => `    ${c.name}) _arguments ${zshArguments(c)} ;;`).join('\n')}
  esac
}
compdef _vmferry vmferry
`,
  fish: (commands) =>
    [
      ...commands.map(
        (c) => `complete -c vmferry -n __fish_use_subcommand -a ${c.name} -d ${quote(c.description)}`,
      ),
      ...commands.flatMap((c) => [
        ...(c.actions.length === 0
          ? []
          : [
              `complete -c vmferry -n '__fish_seen_subcommand_from ${c.name}; and not __fish_seen_subcommand_from ${c.actions.join(' ')}' -f -a ${quote(c.actions.join(' '))}`,
            ]),
        ...c.options.map(
          (o) => `complete -c vmferry -n '__fish_seen_subcommand_from ${c.name}' ${fishOption(o)}`,
        ),
      ]),
      '',
    ].join('\n'),
};

/** For all three shells: single quotes, with those inside taken apart. */
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
