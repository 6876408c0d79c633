/** Names of the parts of a file that was cut (`disk.raw.001`, `.002` …), as 7-Zip and `split -d -a 3` give them. */

/** Three digits, and a limit on how many files are open at once. */
export const mostParts = 999;

/** The name without the part's number; `part` is absent where it bears none. */
export function splitPartName(name: string): { readonly inner: string; readonly part?: number } {
  const match = /^(.*[^/\\.])\.(\d{3})$/.exec(name);
  return match === null ? { inner: name } : { inner: match[1]!, part: Number(match[2]) };
}

export const partName = (inner: string, part: number): string => `${inner}.${String(part).padStart(3, '0')}`;
