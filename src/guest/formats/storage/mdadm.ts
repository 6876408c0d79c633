/** mdadm.conf (mdadm.conf(5)): the arrays that are put together at the start. */
import { given, plainText } from '../../text.ts';
import { linesOf } from '../config-file.ts';

export interface MdArray {
  readonly device: string;
  /** Four groups of eight digits, as mdadm writes it. */
  readonly uuid?: string;
  readonly name?: string;
  readonly level?: string;
}

const maxArrays = 256;

/** Keywords may be cut to three letters; a line that begins with a blank goes on with the one before it. */
export function parseMdadmConf(content: Buffer | string): MdArray[] {
  const lines: string[] = [];
  for (const line of linesOf(content)) {
    const text = line.replace(/(^|\s)#.*$/, '');
    if (/^\s+\S/.test(text) && lines.length > 0) lines.push(`${lines.pop()} ${text.trim()}`);
    else if (text.trim() !== '') lines.push(text.trim());
  }
  return lines
    .filter((line) => /^arr(?:ay?)?\s/i.test(line))
    .slice(0, maxArrays)
    .map((line) => {
      const [device = '', ...facts] = line.split(/\s+/).slice(1);
      const fact = (key: string) => {
        const found = facts.find((word) => word.toLowerCase().startsWith(`${key}=`));
        return found === undefined ? undefined : plainText(found.slice(key.length + 1));
      };
      return {
        device: plainText(device),
        ...given('uuid', fact('uuid')?.toLowerCase()),
        ...given('name', fact('name')),
        ...given('level', fact('level')),
      };
    });
}
