import { expect, it } from 'vitest';
import { AppError } from '../../src/model/errors.ts';
import { between } from './between.ts';
import { memory, memoryMachine } from './memory-plugin.ts';

it('a reference that leads nowhere is a mistake, not a secret that nobody gave', async () => {
  const { choose, services } = await between(memory([memoryMachine()]), memory(), { password: '' });
  const given = services.givenSecrets as Map<string, () => Promise<string>>;
  given.set('password', () => Promise.reject(new AppError('auth', 'the environment has no PW')));
  await expect(choose({ signIn: 'yes' })).rejects.toMatchObject({
    kind: 'usage',
    message: 'the environment has no PW',
  });
});
