/** YAML from a guest, and its values taken without trust in their kind. */
import { AppError } from '../../../model/errors.ts';
import { textOf } from '../reader.ts';

const maxBytes = 256 * 1024;

/** @throws AppError `corrupt`, also for what is nested or repeated (by anchors) without measure. */
export async function parseYaml(content: Buffer | string, where: string): Promise<unknown> {
  const { parse } = await import('yaml');
  const text = textOf(content, maxBytes);
  try {
    return parse(text, { maxAliasCount: 50, logLevel: 'silent', uniqueKeys: false });
  } catch (error) {
    throw new AppError('corrupt', `${where} is no YAML that can be read`, { where, cause: error });
  }
}

export type Tree = Readonly<Record<string, unknown>>;

export function treeOf(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {};
}

export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, 1000) : value === undefined || value === null ? [] : [value];
}

export function textsIn(value: unknown): string[] {
  return itemsOf(value).flatMap((item) => {
    const text = textIn(item);
    return text === undefined ? [] : [text];
  });
}

export function textIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
}

/** `yes` and `on` of YAML 1.1, which netplan takes, are words in 1.2. */
export function isOn(value: unknown): boolean {
  return value === true || (typeof value === 'string' && /^(?:true|yes|on|y)$/i.test(value));
}
