/** The text of a pack that a user brings. */
import { parse as parseYaml } from 'yaml';
import { broken, checkedPack, deepest, largestPack, type PackFile } from './pack.ts';

/** JSON, or YAML without anchors. @throws AppError `corrupt`. */
export function parsePack(content: string, where: string): PackFile {
  if (Buffer.byteLength(content) > largestPack)
    throw broken(`it is larger than ${largestPack} bytes, which no pack is`, where);
  if (isDeep(content)) throw broken(`it is nested deeper than ${deepest} levels`, where);
  let data: unknown;
  try {
    // To look for keys that come twice takes the square of their number.
    data = parseYaml(content, { maxAliasCount: 0, logLevel: 'silent', uniqueKeys: false });
  } catch (error) {
    throw broken(`neither JSON nor YAML: ${(error as Error).message.split('\n')[0]}`, where, error);
  }
  return checkedPack(data, where);
}

/** Before it is parsed, which takes long for much nesting: brackets, also those in texts, and lists in lists on a line. */
function isDeep(content: string): boolean {
  let depth = 0;
  for (const character of content) {
    if (character === '[' || character === '{') depth++;
    if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
    if (depth > deepest) return true;
  }
  return /^ *(?:[-?] +){30}/m.test(content);
}
