/** The machines of a host, asked for. */
import { AppError } from '../../model/errors.ts';
import { answersIn } from './answers.ts';
import { type HyperVMachine, readMachine } from './machine.ts';
import { runScript } from './powershell.ts';
import { listScript } from './scripts/list.ts';
import type { Transport } from './transport.ts';

export interface Look {
  readonly signal?: AbortSignal | undefined;
  /** The disks of its checkpoints are told as well. */
  readonly checkpointDisks?: boolean;
}

const isGuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

export async function readMachines(
  transport: Transport,
  look: Look & { readonly id?: string },
): Promise<HyperVMachine[]> {
  const { id = '', signal, checkpointDisks = false } = look;
  const call = { script: listScript, values: { id, checkpointDisks }, step: 'listing machines', signal };
  return answersIn(await runScript(transport, call), 'machines').map(readMachine);
}

/** By its id, or by its name where only one has it. @throws AppError `not-found`. */
export async function findMachine(transport: Transport, id: string, look: Look): Promise<HyperVMachine> {
  if (isGuid(id)) {
    const [one] = await readMachines(transport, { ...look, id });
    if (one?.machine.id === id.toLowerCase()) return one;
    throw new AppError('not-found', `there is no machine "${id}"`, { where: transport.name });
  }
  const named = (await readMachines(transport, look)).filter(({ machine }) => machine.name === id);
  if (named.length === 1) return named[0]!;
  throw new AppError(
    'not-found',
    `${named.length === 0 ? 'no' : 'more than one'} machine is called "${id}"`,
    { where: transport.name, hint: 'name its id, as the list shows it' },
  );
}
