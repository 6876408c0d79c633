import { Box, Text } from 'ink';
import type { State } from '../../state/state.ts';
import { truncate, widthOf } from './fit-text.ts';
import { headerFacts, headerSteps } from './header-view.ts';
import { useTerminal } from './terminal.ts';

export const headerRows = 2;

/** Two lines: the five steps with a mark at the present one; a rule that carries what is connected and chosen. */
export function Header({ state, columns }: { readonly state: State; readonly columns: number }) {
  const { glyphs, styles } = useTerminal();
  const parts = headerSteps(state, columns);
  const room = columns - 7 - parts.reduce((sum, p) => sum + widthOf(p.label) + 4, 0);
  const gap = ' '.repeat(room >= 15 ? 3 : room >= 5 ? 1 : 0);
  const facts = truncate(headerFacts(state).join(` ${glyphs.separator} `), columns - 6, glyphs);
  const rule = glyphs.line.repeat(Math.max(0, columns - widthOf(facts) - (facts === '' ? 0 : 4)));
  return (
    <Box flexDirection="column" width={columns} height={headerRows}>
      <Text wrap="truncate">
        <Text {...styles.title}>{room >= 5 ? 'vmferry' : ''}</Text>
        {parts.map((part) => (
          <Text key={part.step}>
            {gap}
            <Text {...(part.here ? styles.selected : part.reached ? styles.plain : styles.dim)}>
              {part.here ? `[${part.number} ${part.label}]` : ` ${part.number} ${part.label} `}
            </Text>
          </Text>
        ))}
      </Text>
      <Text wrap="truncate">
        <Text {...styles.dim}>{rule}</Text>
        {facts === '' ? '' : ` ${facts} `}
        <Text {...styles.dim}>{facts === '' ? '' : glyphs.line.repeat(2)}</Text>
      </Text>
    </Box>
  );
}
