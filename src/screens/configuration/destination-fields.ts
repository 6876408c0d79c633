/** Where to, in what form: the fields that hold for all chosen machines. Pure. */
import {
  matteringOptions,
  type OptionSpec,
  type Options,
  optionText,
  parseOption,
} from '../../model/options.ts';
import type { Container } from '../../model/plan.ts';
import { formatBytes } from '../../model/units.ts';
import type { DraftChange, FormatInfo, ProductInfo, State } from '../../state/state.ts';
import { type Choice, type ConfigField, labelOf, tryApply, yesNo } from './field.ts';
import { backingFields, fileFields, splitField } from './file-fields.ts';
import { keepFields } from './keep-fields.ts';
import { deliveryFields, placeField, startAfterFields, takesFiles } from './place-fields.ts';
import { proofField } from './proof-fields.ts';
import { warmFields } from './warm-fields.ts';

const containerLabels: Record<Container, string> = {
  disks: 'none, disk images alone',
  ova: 'OVA, one file with all in it',
  ovf: 'OVF, a folder of files',
  xva: 'XVA, one file with all in it',
};

export const draft = (change: DraftChange) => ({ type: 'draft', change }) as const;

/** Of an environment its own, where it has one. */
export function productOf({ catalog, destination, draft: { product } }: State): ProductInfo | undefined {
  const own = destination.status === 'connected' ? destination.product : undefined;
  return catalog.products.find((p) => p.id === (own ?? product));
}

const containersOf = (state: State): readonly Container[] => productOf(state)?.containers ?? ['disks'];

export const containerOf = (state: State): Container =>
  takesFiles(state) ? (state.draft.container ?? containersOf(state)[0] ?? 'disks') : 'disks';

/** The formats that can be chosen, the default first. */
function formatsOf(state: State): readonly string[] {
  const { destination } = state;
  const own = destination.status === 'connected' ? destination.formats : undefined;
  return own ?? productOf(state)?.formats ?? [];
}

/** A package always holds VMDK; plain disks are what was chosen, or what the product likes best. */
export const formatIdOf = (state: State): string =>
  containerOf(state) === 'disks'
    ? (state.draft.format ?? formatsOf(state)[0] ?? 'raw')
    : containerOf(state) === 'xva'
      ? 'raw'
      : 'vmdk';

export function destinationFields(state: State): ConfigField[] {
  const { destination } = state;
  const format = state.catalog.formats.find((f) => f.id === formatIdOf(state));
  const formatFields = [formatField(state), ...(format === undefined ? [] : optionFields(state, format))];
  if (destination.status === 'folder') {
    return [
      placeField(state),
      productField(state),
      folderField(state),
      containerField(state),
      ...formatFields,
      ...fileFields(state),
      ...(containerOf(state) === 'disks' ? backingFields(state, formatIdOf(state)) : []),
    ];
  }
  // What it takes is not known before it is connected.
  if (destination.status !== 'connected') return [placeField(state)];
  return takesFiles(state)
    ? [
        placeField(state),
        productField(state),
        ...deliveryFields(state),
        containerField(state),
        ...formatFields,
        splitField(state),
      ]
    : [placeField(state), ...deliveryFields(state), ...formatFields];
}

export function writingFields(state: State): ConfigField[] {
  const { force, sync } = state.draft;
  const what = takesFiles(state) ? 'files' : 'what is there';
  const base = { group: 'Writing', kind: 'choice', choices: yesNo } as const;
  return [
    ...startAfterFields(state),
    ...warmFields(state),
    ...keepFields(state),
    {
      ...base,
      key: 'force',
      label: 'Replace',
      help: `replace ${what} of the same name; otherwise it stops the conversion before it starts`,
      value: force ? 'yes' : 'no',
      shown: force ? `yes, replace ${what} of the same name` : `no, keep ${what} of the same name`,
      changed: force,
      apply: (value) => ({ command: draft({ force: value === 'yes' }) }),
    },
    {
      ...base,
      key: 'sync',
      label: 'Flush',
      help: 'wait at the end until the medium has all bytes; slower, safe against a power cut',
      value: sync ? 'yes' : 'no',
      shown: sync ? 'yes, wait until the medium has it' : 'no, leave it to the system',
      changed: sync,
      apply: (value) => ({ command: draft({ sync: value === 'yes' }) }),
    },
    proofField(state),
  ];
}

const base = { group: 'Destination' } as const;

function productField(state: State): ConfigField {
  const choices = state.catalog.products.map((p) => ({ value: p.id, label: p.label }));
  return {
    ...base,
    kind: 'choice',
    key: 'product',
    label: 'Made for',
    help: productOf(state)?.summary ?? 'the product that is to open the result',
    value: state.draft.product,
    shown: labelOf(choices, state.draft.product),
    choices,
    changed: false,
    // What suited one product is seldom right for the next: its own defaults again.
    apply: (product) => ({
      command: draft({ product, container: undefined, format: undefined, backing: undefined, options: {} }),
    }),
  };
}

function folderField(state: State): ConfigField {
  const { folder } = state.draft;
  return {
    ...base,
    kind: 'text',
    key: 'folder',
    label: 'Folder',
    help: 'where the result is written; "." is the folder that vmferry was started in, "~" your own',
    text: folder,
    shown: folder === '.' ? '. (the current folder)' : folder,
    changed: false,
    apply: (value) =>
      value.trim() === ''
        ? { error: 'a folder is needed; "." is the current one' }
        : { command: draft({ folder: value.trim() }) },
  };
}

function containerField(state: State): ConfigField {
  const possible = containersOf(state);
  const value = containerOf(state);
  return {
    ...base,
    kind: 'choice',
    key: 'container',
    label: 'Package',
    help: 'an OVA or OVF carries the hardware along; a disk image says nothing of it',
    value,
    shown: containerLabels[value],
    choices: possible.map((c) => ({ value: c, label: containerLabels[c] })),
    changed: value !== possible[0],
    ...(possible.length < 2
      ? { reason: `${productOf(state)?.label ?? 'this product'} takes nothing else` }
      : {}),
    apply: (next) => ({
      command: draft({
        container: next === possible[0] ? undefined : (next as Container),
        format: undefined,
        backing: undefined,
        options: {},
      }),
    }),
  };
}

function formatField(state: State): ConfigField {
  const packaged = containerOf(state) !== 'disks';
  const possible = containerOf(state) === 'xva' ? ['raw'] : packaged ? ['vmdk'] : formatsOf(state);
  const choices = possible.map((id): Choice => {
    const label = state.catalog.formats.find((f) => f.id === id)?.label;
    return { value: id, label: label ?? id };
  });
  const value = formatIdOf(state);
  const { destination } = state;
  const taker =
    destination.status === 'folder' || takesFiles(state) ? productOf(state)?.label : destination.label;
  const reason = packaged
    ? 'an OVA or OVF holds streamOptimized VMDK, an XVA raw disks; choose disk images alone for another format'
    : possible.length < 2
      ? `${taker ?? 'this product'} takes nothing else`
      : undefined;
  return {
    ...base,
    kind: 'choice',
    key: 'format',
    label: 'Disk format',
    help: 'of the disks; the first one suits the product best',
    value,
    shown: labelOf(choices, value),
    choices,
    changed: !packaged && value !== possible[0],
    ...(reason === undefined ? {} : { reason }),
    apply: (next) => ({
      command: draft({ format: next === possible[0] ? undefined : next, backing: undefined, options: {} }),
    }),
  };
}

function optionFields(state: State, format: FormatInfo): ConfigField[] {
  const { options } = state.draft;
  // The plan knows the product's own defaults; while it is being worked out the format's are shown.
  const to = state.planned.plans[0]?.destination;
  const planned = to?.product === productOf(state)?.id && to?.format === format.id ? to.options : {};
  const given = { ...planned, ...options };
  const { destination } = state;
  const packaged = containerOf(state) !== 'disks';
  const own = destination.status === 'connected' ? destination.options?.[format.id] : undefined;
  const isVmdk = packaged && format.id === 'vmdk';
  const forced: Options = isVmdk ? { subformat: 'streamOptimized' } : packaged ? {} : (own ?? {});
  const taker = packaged ? 'an OVA or OVF' : destination.status === 'connected' ? destination.label : '';
  // What can be nothing else and is as usual tells nothing.
  const told = matteringOptions(format.options, { ...given, ...forced }).filter(
    ({ key, default: usual }) => forced[key] === undefined || forced[key] !== usual,
  );
  return told.map((spec): ConfigField => {
    const only = forced[spec.key];
    const value = only ?? options[spec.key] ?? planned[spec.key] ?? spec.default;
    const common = {
      ...base,
      key: `option:${spec.key}`,
      label: spec.label,
      help: spec.help,
      shown: optionText(spec, value),
      changed: options[spec.key] !== undefined,
      ...(only === undefined ? {} : { reason: `${taker} takes ${optionText(spec, only)}, nothing else` }),
      apply: (text: string) =>
        tryApply(() => draft({ options: { ...options, [spec.key]: parseOption(spec, text) } })),
    };
    const choices = choicesOf(spec);
    if (choices === undefined) return { ...common, kind: 'text', text: optionText(spec, value) };
    const chosen = spec.kind === 'boolean' ? (value === true ? 'yes' : 'no') : String(value);
    return { ...common, kind: 'choice', value: chosen, choices };
  });
}

function choicesOf(spec: OptionSpec): readonly Choice[] | undefined {
  if (spec.kind === 'boolean') return yesNo;
  if (spec.kind === 'choice') return spec.choices.map((c) => ({ value: c, label: c }));
  if (spec.kind === 'bytes') return spec.choices?.map((c) => ({ value: String(c), label: formatBytes(c) }));
  return undefined;
}
