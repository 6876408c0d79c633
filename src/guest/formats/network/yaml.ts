/** YAML from a guest, and its values taken without trust in their kind. */
import { AppError } from '../../../model/errors.ts';
import { textOf } from '../reader.ts';

const maxBytes = 64 * 1024;
const maxFlowDepth = 32;
const maxIndent = 200;

/** @throws AppError `corrupt`, also for what is nested or repeated (by anchors) without measure. */
export async function parseYaml(content: Buffer | string, where: string): Promise<unknown> {
  const { parse } = await import('yaml');
  const text = textOf(content, maxBytes);
  if (content.length > maxBytes || isTooDeep(text)) {
    throw new AppError(
      'unsupported',
      `${where} is too large or too deeply nested for a network configuration`,
      {
        where,
      },
    );
  }
  try {
    return parse(text, { maxAliasCount: 50, logLevel: 'error', uniqueKeys: false });
  } catch (error) {
    throw new AppError('corrupt', `${where} is no YAML that can be read`, { where, cause: error });
  }
}

/**
 * The library's time grows with a power of the depth, and more so with keys marked by `?`: what no configuration
 * has is refused before. Brackets inside texts count as well.
 */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (const char of text) {
    if (char === '[' || char === '{') depth++;
    else if ((char === ']' || char === '}') && depth > 0) depth--;
    if (depth > maxFlowDepth) return true;
  }
  return text.split('\n').some((line) => {
    const head = /^[\s-]*/.exec(line)![0];
    return head.length > maxIndent || line[head.length] === '?' || /[[{,]\s*\?/.test(line);
  });
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
