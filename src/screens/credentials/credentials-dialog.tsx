import { Text } from 'ink';
import { useState } from 'react';
import { describeFailure } from '../../model/errors.ts';
import type { Command } from '../../state/commands.ts';
import type { DispatcherPort } from '../../state/port.ts';
import type { Profile, SecretStoreChoice, State } from '../../state/state.ts';
import { ChoiceDialog } from '../widgets/choice-dialog.tsx';
import { Dialog } from '../widgets/dialog.tsx';
import { Form } from '../widgets/form.tsx';
import { Spinner } from '../widgets/spinner.tsx';
import {
  environmentChoices,
  environmentOf,
  firstWithSecrets,
  profileFields,
  saveCommand,
  storeChoices,
  vaultFields,
} from './credentials-view.ts';

/** What is open over the list. */
export type Asked =
  | { readonly type: 'add' }
  | { readonly type: 'fields'; readonly environment: string; readonly profile?: Profile }
  | { readonly type: 'delete'; readonly profile: Profile }
  | { readonly type: 'store' }
  /** `afterwards` is sent once the vault is open: the profile whose secret is to go there. */
  | { readonly type: 'unlock'; readonly afterwards?: Command };

export interface CredentialsDialogProps {
  readonly asked: Asked;
  readonly port: DispatcherPort;
  readonly state: State;
  readonly width: number;
  readonly height: number;
  onAsk(next: Asked | undefined): void;
}

export function CredentialsDialog({ asked, port, state, width, height, onAsk }: CredentialsDialogProps) {
  const size = { width, height };
  const close = () => onAsk(undefined);
  switch (asked.type) {
    case 'delete':
      return (
        <Dialog
          {...size}
          title="Delete a profile"
          text={`Delete "${asked.profile.name}" and its secrets?`}
          yes="delete"
          no="keep"
          onYes={() => {
            void port.dispatch({ type: 'delete-profile', id: asked.profile.id });
            close();
          }}
          onNo={close}
        />
      );
    case 'store':
      return (
        <ChoiceDialog
          {...size}
          title="Where secrets are kept"
          intro={['Passwords that are kept elsewhere now stay there; they are not moved.']}
          items={storeChoices}
          value={state.secretStore?.choice ?? 'auto'}
          submitLabel="keep them there"
          onChoose={(choice) => {
            void port.dispatch({ type: 'choose-secret-store', choice: choice as SecretStoreChoice });
            close();
          }}
          onCancel={close}
        />
      );
    case 'add':
      return (
        <ChoiceDialog
          {...size}
          title="Add a profile: of which environment?"
          items={environmentChoices(state)}
          value={firstWithSecrets(state)}
          submitLabel="next"
          onChoose={(environment) => onAsk({ type: 'fields', environment })}
          onCancel={close}
        />
      );
    case 'fields':
      return <ProfileForm asked={asked} port={port} state={state} {...size} onAsk={onAsk} />;
    case 'unlock':
      return <UnlockForm afterwards={asked.afterwards} port={port} state={state} {...size} onClose={close} />;
  }
}

type ProfileFormProps = Omit<CredentialsDialogProps, 'asked'> & {
  readonly asked: Extract<Asked, { type: 'fields' }>;
};

function ProfileForm({ asked, port, state, width, height, onAsk }: ProfileFormProps) {
  const environment = environmentOf(state, asked.environment);
  const { profile } = asked;
  if (environment === undefined) {
    const text = `The environment "${asked.environment}" of this profile is not known here. Delete the profile?`;
    const remove = () => {
      if (profile !== undefined) void port.dispatch({ type: 'delete-profile', id: profile.id });
      onAsk(undefined);
    };
    return (
      <Dialog
        title="Unknown"
        text={text}
        yes="delete"
        no="keep"
        width={width}
        height={height}
        onYes={remove}
        onNo={() => onAsk(undefined)}
      />
    );
  }
  return (
    <Form
      title={profile === undefined ? `Add: ${environment.label}` : `Edit: ${profile.name}`}
      fields={profileFields(environment, profile, state)}
      width={width}
      height={height}
      onSubmit={(values) => {
        const command = saveCommand(environment, values, profile);
        const waits =
          Object.keys(command.secrets).length > 0 && port.getState().secretStore?.status !== 'ready';
        if (waits) {
          onAsk({ type: 'unlock', afterwards: command });
          return;
        }
        void port.dispatch(command);
        onAsk(undefined);
      }}
      onCancel={() => onAsk(undefined)}
    />
  );
}

interface UnlockFormProps {
  readonly afterwards: Command | undefined;
  readonly port: DispatcherPort;
  readonly state: State;
  readonly width: number;
  readonly height: number;
  onClose(): void;
}

function UnlockForm({ afterwards, port, state, width, height, onClose }: UnlockFormProps) {
  const [phase, setPhase] = useState<'first' | 'busy' | 'again'>('first');
  const store = state.secretStore;
  const status = store?.status ?? 'locked';
  const unlock = async (passphrase: string) => {
    setPhase('busy');
    await port.dispatch({ type: 'unlock-vault', passphrase });
    if (port.getState().secretStore?.status !== 'ready') {
      setPhase('again');
      return;
    }
    if (afterwards !== undefined) void port.dispatch(afterwards);
    onClose();
  };
  if (phase === 'busy') return <Spinner label="opening the vault" />;
  if (status === 'ready') return <Text>The vault is open. Esc goes back.</Text>;
  const failure = store?.failure;
  return (
    <Form
      title={status === 'absent' ? 'A passphrase for the new vault' : 'Unlock the vault'}
      intro={[
        ...(store === undefined ? [] : [`Secrets are kept in ${store.description}.`]),
        ...(phase === 'again' && failure !== undefined ? [`! ${describeFailure(failure)}`] : []),
      ]}
      fields={vaultFields(status)}
      submitLabel={status === 'absent' ? 'make it' : 'unlock'}
      width={width}
      height={height}
      onSubmit={(values) => void unlock(values.passphrase ?? '')}
      onCancel={onClose}
    />
  );
}
