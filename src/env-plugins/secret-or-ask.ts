/** A secret of the form; where none is kept, whoever is there is asked. */
import { toAppError } from '../model/errors.ts';
import type { PluginContext } from './plugin.ts';

/** @throws AppError `auth` where there is none and nobody to ask, `cancelled`. */
export async function secretOrAsk(context: PluginContext, key: string, question: string): Promise<string> {
  try {
    return await context.secret(key);
  } catch (error) {
    if (context.ask === undefined || toAppError(error).kind !== 'auth') throw error;
    return context.ask({ text: question, hidden: true });
  }
}
