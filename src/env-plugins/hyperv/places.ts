/** What the host has for a new machine: folders, drives, switches. */
import { answersIn, countIn, listIn, textIn } from './answers.ts';
import { runScript } from './powershell.ts';
import { hostScript } from './scripts/host.ts';
import type { Transport } from './transport.ts';

export interface HostPlaces {
  readonly machinePath: string;
  readonly processors: number;
  readonly memoryBytes: number;
  readonly switches: readonly string[];
  /** Of machines that are there. */
  readonly names: readonly string[];
  readonly drives: readonly { readonly root: string; readonly freeBytes: number }[];
}

export async function readHost(transport: Transport, signal: AbortSignal | undefined): Promise<HostPlaces> {
  const told = await runScript(transport, { script: hostScript, step: 'asking the host', signal });
  return {
    machinePath: textIn(told, 'machinePath'),
    processors: countIn(told, 'processors') ?? 0,
    memoryBytes: countIn(told, 'memory') ?? 0,
    switches: answersIn(told, 'switches').map((one) => textIn(one, 'name')),
    names: listIn(told, 'names').map(String),
    drives: answersIn(told, 'drives').map((one) => ({
      root: textIn(one, 'root'),
      freeBytes: countIn(one, 'free') ?? 0,
    })),
  };
}
