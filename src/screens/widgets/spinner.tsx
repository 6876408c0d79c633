import { Text } from 'ink';
import InkSpinner from 'ink-spinner';
import { useTerminal } from './terminal.ts';

/**
 * A turning mark. What is sent of its turns is the writer's: ten frames a second at most. On a dumb terminal,
 * where each frame is printed anew, it stands still.
 */
export function Spinner({ label }: { readonly label?: string }) {
  const { glyphs, styles, dumb } = useTerminal();
  return (
    <Text wrap="truncate">
      <Text {...styles.accent}>{dumb ? glyphs.bullet : <InkSpinner type={glyphs.spinner} />}</Text>
      {label === undefined ? '' : ` ${label}`}
    </Text>
  );
}
