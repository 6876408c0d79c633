/** Options as data: screens draw them, the command line parses them with `--set key=value`, encoders read them. */
import { AppError } from './errors.ts';
import { formatBytes, parseBytes } from './units.ts';

export type OptionValue = string | number | boolean;
export type Options = Readonly<Record<string, OptionValue>>;

interface OptionBase {
  readonly key: string;
  readonly label: string;
  readonly help: string;
  /** It says something only when that other option has one of these values. */
  readonly onlyWith?: { readonly key: string; readonly values: readonly OptionValue[] };
}
export type OptionSpec = OptionBase &
  (
    | { readonly kind: 'choice'; readonly choices: readonly string[]; readonly default: string }
    | { readonly kind: 'boolean'; readonly default: boolean }
    | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly default: number }
    /** A size in bytes; where `choices` is given, one of them. */
    | {
        readonly kind: 'bytes';
        readonly min: number;
        readonly max: number;
        readonly default: number;
        readonly choices?: readonly number[];
        /** What 0 means, in words. */
        readonly zero?: string;
      }
  );

/** Those that say something, given the values of the others. */
export function matteringOptions(specs: readonly OptionSpec[], given: Options): OptionSpec[] {
  const current = (key: string) => given[key] ?? specs.find((spec) => spec.key === key)?.default;
  return specs.filter(({ onlyWith }) => {
    const value = onlyWith && current(onlyWith.key);
    return onlyWith === undefined || (value !== undefined && onlyWith.values.includes(value));
  });
}

/** `cluster size 64 KiB, compression none`; empty for a format without options. */
export function optionsInWords(specs: readonly OptionSpec[], given: Options): string {
  return matteringOptions(specs, given)
    .map((spec) => `${spec.label.toLowerCase()} ${optionText(spec, given[spec.key] ?? spec.default)}`)
    .join(', ');
}

export function optionText(spec: OptionSpec, value: OptionValue): string {
  if (spec.kind === 'bytes' && Number(value) === 0 && spec.zero !== undefined) return spec.zero;
  if (spec.kind === 'bytes') return formatBytes(Number(value));
  if (spec.kind === 'boolean') return value === true ? 'yes' : 'no';
  return String(value);
}

/** @throws AppError `usage` naming the option and what it takes. */
export function parseOption(spec: OptionSpec, text: string): OptionValue {
  const refuse = (takes: string) =>
    new AppError('usage', `option ${spec.key}: "${text}" is not possible`, { hint: `it takes ${takes}` });
  switch (spec.kind) {
    case 'choice':
      if (!spec.choices.includes(text)) throw refuse(spec.choices.join(', '));
      return text;
    case 'boolean':
      if (/^(true|yes|on|1)$/i.test(text)) return true;
      if (/^(false|no|off|0)$/i.test(text)) return false;
      throw refuse('yes or no');
    case 'integer': {
      const value = Number(text);
      if (!Number.isInteger(value) || text.trim() === '' || value < spec.min || value > spec.max) {
        throw refuse(`a whole number from ${spec.min} to ${spec.max}`);
      }
      return value;
    }
    case 'bytes': {
      const value = parseBytes(text);
      if (spec.choices !== undefined && !spec.choices.includes(value)) {
        throw refuse(spec.choices.map(formatBytes).join(', '));
      }
      if (value < spec.min || value > spec.max)
        throw refuse(`${formatBytes(spec.min)} to ${formatBytes(spec.max)}`);
      return value;
    }
  }
}

/**
 * Every option with its value: the given ones checked, the others at their default.
 * @throws AppError `usage` on an unknown key or an impossible value.
 */
export function resolveOptions(specs: readonly OptionSpec[], given: Options): Options {
  const known = new Map(specs.map((spec) => [spec.key, spec]));
  for (const key of Object.keys(given)) {
    if (!known.has(key)) {
      const all = specs.map((s) => s.key).join(', ');
      throw new AppError('usage', `there is no option "${key}" here`, {
        hint: all === '' ? 'this format has no options' : `possible are: ${all}`,
      });
    }
  }
  return Object.fromEntries(
    specs.map((spec) => {
      const value = given[spec.key];
      return [spec.key, value === undefined ? spec.default : parseOption(spec, String(value))];
    }),
  );
}
