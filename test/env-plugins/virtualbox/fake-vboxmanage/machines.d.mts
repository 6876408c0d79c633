export function manage(
  folder: string,
  args: readonly string[],
): { readonly code: number; readonly stdout: string; readonly stderr: string };
