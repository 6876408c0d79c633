/**
 * What is made in a pool for a delivery. Until it is final it has a name of the run, by which it is also found where the
 * answer to the call that made it was lost.
 */
import { quoteArgs } from '../../io/ssh/quote-args.ts';
import { type AppError, toAppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import { textIn } from '../../packages/xva/records.ts';
import { gone, persistently } from './hold.ts';
import { allOf } from './inventory.ts';
import type { XapiSession } from './session.ts';

export interface MadeThing {
  readonly kind: 'VM' | 'VDI' | 'task';
  /** Its name from the start, and no other one's. */
  readonly label: string;
  /** As soon as they are known. */
  ref?: string;
  uuid?: string;
}

/** In this order. Resolves to what stays. Never throws. */
export async function removeMade(session: XapiSession, things: readonly MadeThing[]): Promise<Leftover[]> {
  const left: Leftover[] = [];
  let lost: AppError | undefined;
  for (const thing of things) {
    // A server that is gone was waited for long enough.
    const failed =
      lost ?? (await persistently(() => removeOne(session, thing)).then(() => undefined, toAppError));
    if (failed === undefined) continue;
    if (failed.kind === 'unreachable') lost = failed;
    left.push(leftover(session, thing, failed));
  }
  return left;
}

async function removeOne(session: XapiSession, { kind, label, ref }: MadeThing): Promise<void> {
  const step = 'removing what was made';
  const refs = ref === undefined ? await labelled(session, kind, label) : [ref];
  for (const each of refs) {
    if (kind === 'task') await session.call('task.cancel', [each], { step }).catch(() => undefined);
    await gone(session.call(`${kind}.destroy`, [each], { step }));
  }
}

async function labelled(session: XapiSession, kind: string, label: string): Promise<string[]> {
  const all = await allOf(session, kind, 'looking for what was made');
  return [...all].flatMap(([ref, record]) => (textIn(record, 'name_label') === label ? [ref] : []));
}

const words = { VM: ['the machine', 'vm'], VDI: ['the disk', 'vdi'], task: ['the task', 'task'] } as const;

function leftover({ name }: XapiSession, { kind, label, uuid }: MadeThing, { message }: AppError): Leftover {
  const [what, command] = words[kind];
  const verb = kind === 'task' ? 'cancel' : 'destroy';
  const found = `"$(xe ${command}-list ${quoteArgs([`name-label=${label}`])} --minimal)"`;
  return {
    what: `${what} ${uuid ?? `"${label}"`} may be at ${name} still (${message})`,
    command: `xe ${command}-${verb} uuid=${uuid === undefined ? found : quoteArgs([uuid])}`,
  };
}
