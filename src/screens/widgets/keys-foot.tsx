import { Text } from 'ink';
import { useSyncExternalStore } from 'react';
import { useKeyboard } from '../screen.ts';
import { footKeys } from './keys-foot-view.ts';
import { useTerminal } from './terminal.ts';

/** One line with the keys that can be pressed now. A disabled one is in brackets, and dim where there is colour. */
export function KeysFoot({ width }: { readonly width: number }) {
  const keyboard = useKeyboard();
  const { styles } = useTerminal();
  const { bindings } = useSyncExternalStore(keyboard.subscribe, keyboard.summary);
  const atEnd = bindings.filter((b) => b.key === '?' || b.key === 'q');
  const keys = footKeys(
    bindings.filter((b) => !atEnd.includes(b)),
    atEnd,
    width,
  );
  return (
    <Text wrap="truncate">
      {keys.map(({ key, label, disabled }, i) => (
        <Text key={`${key} ${label}`} {...(disabled ? styles.dim : {})}>
          {i === 0 ? '' : '  '}
          <Text {...(disabled ? {} : styles.selected)}>{disabled ? `(${key}` : key}</Text>
          {disabled ? ` ${label})` : ` ${label}`}
        </Text>
      ))}
    </Text>
  );
}
