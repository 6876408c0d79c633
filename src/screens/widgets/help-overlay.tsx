import { useKeys } from '../screen.ts';
import { Panel, panelInside } from './panel.tsx';
import { TextPane } from './text-pane.tsx';
import type { PaneLine } from './text-pane-view.ts';

export interface HelpOverlayProps {
  readonly lines: readonly PaneLine[];
  readonly width: number;
  readonly height: number;
  onClose(): void;
}

/** All keys of the screen below. */
export function HelpOverlay({ lines, width, height, onClose }: HelpOverlayProps) {
  useKeys([{ key: ['esc', '?', 'q', 'enter'], shown: 'Esc', label: 'close the help', run: onClose }], {
    level: 'dialog',
  });
  const inside = panelInside(width, height);
  return (
    <Panel title="Keys" width={width} height={height} focused>
      <TextPane name="help" lines={lines} width={inside.columns} height={inside.rows} level="dialog" />
    </Panel>
  );
}
