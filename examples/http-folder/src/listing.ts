/** What a server says is in a folder: JSON, or a page with links. */

/** Names, or addresses, as they are written; they may be anything. */
export function listing(text: string): string[] {
  if (/^\s*[[{]/.test(text)) return fromJson(JSON.parse(text));
  return [...text.matchAll(/<a\s[^>]*?href\s*=\s*["']([^"']+)["']/gi)].map(([, link]) =>
    link!.replaceAll('&amp;', '&'),
  );
}

/** `["a.qcow2"]`, nginx's `[{"name": "a.qcow2", "type": "file"}]`, or either of them as `{"files": …}`. */
function fromJson(value: unknown): string[] {
  const list = Array.isArray(value) ? value : (value as { files?: unknown }).files;
  if (!Array.isArray(list)) return [];
  return list.flatMap((one: unknown) => {
    if (typeof one === 'string') return [encodeURIComponent(one)];
    const { name, type } = one as { name?: unknown; type?: unknown };
    return typeof name === 'string' && type !== 'directory' ? [encodeURIComponent(name)] : [];
  });
}
