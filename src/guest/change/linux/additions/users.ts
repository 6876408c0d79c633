/** The guest's users, by /etc/passwd. */
import type { Finding } from '../../../../model/finding.ts';
import type { Editor } from '../../tree.ts';

export interface GuestUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Undefined when there is none of this name. */
export async function userOf(view: Pick<Editor, 'text'>, wanted: string): Promise<GuestUser | undefined> {
  for (const line of ((await view.text('/etc/passwd')) ?? '').split('\n')) {
    const [name, , uid, gid, , home] = line.split(':');
    if (name !== wanted || !/^\d{1,10}$/.test(uid ?? '') || !/^\d{1,10}$/.test(gid ?? '')) continue;
    if (home?.startsWith('/')) return { name, uid: Number(uid), gid: Number(gid), home };
  }
  return undefined;
}

export const noSuchUser = (name: string, wish: string): Finding => ({
  rule: 'guest.no-such-user',
  severity: 'blocker',
  message: `the guest has no user ${JSON.stringify(name)} with a home, whose ${wish} is to be set`,
  evidence: '/etc/passwd',
  remedy: 'name a user that it has',
});
