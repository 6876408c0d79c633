/** The content of `profiles.json`, checked. Apart, so that its schema is loaded only where there is a file. */
import * as z from 'zod';
import { AppError } from '../../model/errors.ts';

const profileSchema = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  /** The plugin's id. */
  environment: z.string().min(1),
  settings: z.record(z.string(), z.string()),
  /** Keys whose value is in the secret store, under `profile:<id>:<key>`. */
  secretFields: z.array(z.string()),
  createdAt: z.iso.datetime(),
});
const fileSchema = z.object({ version: z.literal(1), profiles: z.array(profileSchema) });

export type Profile = Readonly<z.infer<typeof profileSchema>>;

/** Never mended by us: it is left as it is for the user to look at. */
export function parseProfiles(text: string, where: string): Profile[] {
  const hint = 'mend the file, or move it away to start with none';
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new AppError('corrupt', 'the profiles are not JSON', { where, hint, cause });
  }
  const version = z.object({ version: z.number().min(2) }).safeParse(data);
  if (version.success) {
    throw new AppError('unsupported', `the profiles are of version ${version.data.version}, 1 is known`, {
      where,
      hint: 'use the newer vmferry that wrote them',
    });
  }
  const result = fileSchema.safeParse(data);
  if (!result.success) {
    const issue = result.error.issues[0];
    const place = issue?.path.join('.') || 'the file';
    throw new AppError('corrupt', `the profiles are broken at ${place}: ${issue?.message}`, { where, hint });
  }
  return result.data.profiles;
}
