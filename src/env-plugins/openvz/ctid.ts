/** What a container is called by: a number (OpenVZ 6 and before), or a UUID (7). */

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** 0 is the host itself. */
export const isCtid = (text: string): boolean => /^[1-9]\d{0,9}$/.test(text) || uuid.test(text);

/** Of a file `CTID.conf`; undefined for another one, such as a sample. */
export function ctidOfFile(name: string): string | undefined {
  const [, ctid = ''] = /^([0-9A-Fa-f-]+)\.conf$/.exec(name) ?? [];
  return isCtid(ctid) ? ctid : undefined;
}
