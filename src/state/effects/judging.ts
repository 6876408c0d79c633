/** Which destinations a machine can run at, by the packs of rules. */

import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { changeInWords, type JudgedFinding } from '../../model/judgement.ts';
import type { Plan } from '../../model/plan.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import type { MachineItem } from '../state.ts';

// Rules and what checks their shape are loaded when somebody asks: the start does not wait for them.
const rooms = async () => ({
  ...(await import('../../eligibility/judge.ts')),
  ...(await import('../../eligibility/facts.ts')),
  ...(await import('../../eligibility/packs.ts')),
  ...(await import('../stores/rule-packs.ts')),
});

export const judgeMachine: Effect<'judge-machine'> = async ({ id, destinations = ['all'] }, context) => {
  const { emit, getState, services } = context;
  await context.perform({ type: 'look-into', ids: [id] });
  const item = getState().machines.items.find(({ machine }) => machine.id === id);
  if (item === undefined) throw new AppError('not-found', 'this machine is not in the list', { where: id });
  const { judge, withEdit, packsNamed, loadPacks } = await rooms();
  const { packs, broken } = await loadPacks(services.rulesFolder);
  const facts = withEdit(item, getState().draft.edits[id]);
  const judgements = services.redactor.redactData(judge(facts, packsNamed(packs, destinations)));
  emit({ type: 'machine-judged', id, judgements, broken });
  const [first] = broken;
  if (first === undefined) return;
  const more = broken.length > 1 ? ` (and ${broken.length - 1} more)` : '';
  const text = `rules left out: ${first.where}: ${first.reason}${more}`;
  emit({ type: 'notice', notice: { level: 'warning', text } });
};

/** What the rules of the plan's product say of its machine as it will be there. They advise: they forbid no run. */
export async function productFindings(
  plan: Plan,
  item: MachineItem,
  { services }: EffectContext,
): Promise<Finding[]> {
  const { judge, withEdit, packOfProduct, loadPacks } = await rooms();
  const { product } = plan.destination;
  const { packs } = await loadPacks(services.rulesFolder, product);
  const pack = packOfProduct(packs, product, plan.machine.firmware?.kind ?? 'bios');
  if (pack === undefined) return [];
  const { table } = plan.source;
  const facts = withEdit(asPlanned(plan, item), table === undefined ? {} : { table });
  const [judgement] = judge(facts, [pack]);
  return judgement!.findings.flatMap((finding) => advice(finding, plan));
}

/** The disks in the format that is written. */
function asPlanned({ machine, destination }: Plan, { images, reports }: MachineItem) {
  const { format, options } = destination;
  const { subformat } = options;
  const written = Object.entries(images).map(([id, image]) => {
    const { variant: _, ...rest } = image;
    return [id, { ...rest, format, ...(subformat === undefined ? {} : { variant: String(subformat) }) }];
  });
  return {
    machine: { ...machine, disks: machine.disks.map((disk) => ({ ...disk, format })) },
    images: Object.fromEntries(written) as MachineItem['images'],
    reports,
  };
}

function advice({ rule, severity, message, evidence, remedy, change }: JudgedFinding, plan: Plan): Finding[] {
  if (severity === 'note') return [];
  const made = change !== undefined && 'guest' in change && plan.guest?.changes === 'needed';
  return [
    {
      rule,
      message,
      ...(evidence === undefined ? {} : { evidence }),
      severity: made ? 'note' : 'warning',
      ...(made
        ? { remedy: `vmferry will make it: ${changeInWords(change)}` }
        : remedy === undefined
          ? {}
          : { remedy }),
    },
  ];
}
