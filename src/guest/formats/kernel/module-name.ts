/** A module's name from its file's, as modprobe compares them: without extensions, `-` written as `_`. */
export function moduleName(path: string): string | undefined {
  const name = /([^/]+)\.ko(?:\.(?:gz|xz|zst|bz2|lz4))?$/.exec(path)?.[1];
  return name?.replaceAll('-', '_');
}
