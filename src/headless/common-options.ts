/** The options that several commands have. */
import type { Command } from 'commander';

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly secret?: readonly string[];
  readonly toSecret?: readonly string[];
  readonly vaultPassphrase?: string;
  /** A file with the identity that opens what is encrypted with age. */
  readonly identity?: string;
}

export type Done = (code: number) => void;

export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

export function withSecrets(command: Command): Command {
  return command
    .option(
      '--secret <field=ref>',
      'a secret of the environment: fd:N, env:NAME, cmd:COMMAND or file:PATH',
      collect,
    )
    .option('--vault-passphrase <ref>', 'passphrase of the vault: fd:N, env:NAME, cmd:COMMAND or file:PATH');
}

export const imageHelp = 'a path; a machine with --profile or --env (its name or id); or PROFILE:MACHINE';

export function withSource(command: Command): Command {
  return command
    .option('--profile <name>', 'the machine is in the environment of this profile')
    .option('--env <id>', 'the machine is in this environment, without a profile: see vmferry environments')
    .option(
      '--setting <key=value>',
      'a setting of that environment, over its profile; several times',
      collect,
    );
}

export function withDestination(command: Command): Command {
  return command
    .option('--to-profile <name>', 'the environment of this profile takes the machine, instead of --to')
    .option(
      '--to-env <id>',
      'this environment takes the machine, without a profile: see vmferry environments',
    )
    .option(
      '--to-set <key=value>',
      'a setting of the destination or of the delivery (pool, folder …); several times',
      collect,
    )
    .option('--to-secret <field=ref>', 'as --secret, for the destination', collect)
    .option(
      '--network <from=to>',
      'adapters on the network FROM are joined to TO; * is all; several times',
      collect,
    )
    .option('--start', 'start the machine when it is there');
}
