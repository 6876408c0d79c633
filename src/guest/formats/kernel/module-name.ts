/** A module's name from its file's, as modprobe compares them: without extensions, `-` written as `_`. */
export function moduleName(path: string): string | undefined {
  // Longer than any name of a file is none; and the pattern would take its time.
  const file = path.slice(path.lastIndexOf('/') + 1);
  if (file.length > 255) return undefined;
  return /^(.+)\.ko(?:\.(?:gz|xz|zst|bz2|lz4))?$/.exec(file)?.[1]?.replaceAll('-', '_');
}
