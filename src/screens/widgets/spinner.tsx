import { Text } from 'ink';
import { useEffect, useState } from 'react';
import { useTerminal } from './terminal.ts';

// Eight turns a second stay under the ten frames that are drawn.
const turnMs = 125;

/** A turning mark; on a dumb terminal, where each frame is printed anew, it stands still. */
export function Spinner({ label }: { readonly label?: string }) {
  const { glyphs, styles, dumb } = useTerminal();
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (dumb) return;
    const timer = setInterval(() => setTurn((now) => now + 1), turnMs);
    return () => clearInterval(timer);
  }, [dumb]);
  const mark = dumb ? glyphs.bullet : glyphs.spinner[turn % glyphs.spinner.length];
  return (
    <Text wrap="truncate">
      <Text {...styles.accent}>{mark}</Text>
      {label === undefined ? '' : ` ${label}`}
    </Text>
  );
}
