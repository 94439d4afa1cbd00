import type { ComponentChildren, JSX } from "preact";

/** Our own icons: 24 x 24, drawn with one round stroke. */
function Icon({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const PlayIcon = (): JSX.Element => (
  <Icon>
    <path
      class="solid"
      d="M8 5.6v12.8c0 .8.9 1.3 1.6.9l10-6.4c.6-.4.6-1.4 0-1.8l-10-6.4C8.9 4.3 8 4.8 8 5.600z"
    />
  </Icon>
);

export const PauseIcon = (): JSX.Element => (
  <Icon>
    <rect class="solid" x="6.5" y="5" width="4" height="14" rx="1.2" />
    <rect class="solid" x="13.5" y="5" width="4" height="14" rx="1.2" />
  </Icon>
);

export const StopIcon = (): JSX.Element => (
  <Icon>
    <rect class="solid" x="6.5" y="6.5" width="11" height="11" rx="1.8" />
  </Icon>
);

export const SoundIcon = (): JSX.Element => (
  <Icon>
    <path d="M4 9.800v4.4h3l4.2 3.600V6.200L7 9.800z" />
    <path d="M15 9.200a4 4 0 0 1 0 5.600M17.6 6.600a7.6 7.6 0 0 1 0 10.8" />
  </Icon>
);

export const MutedIcon = (): JSX.Element => (
  <Icon>
    <path d="M4 9.800v4.400h3l4.2 3.600V6.200L7 9.800z" />
    <path d="M15.5 9.500l5 5M20.5 9.500l-5 5" />
  </Icon>
);

export const FullScreenIcon = (): JSX.Element => (
  <Icon>
    <path d="M4.5 9V5.500c0-.6.4-1 1-1H9M15 4.500h3.500c.6 0 1 .4 1 1V9M19.5 15v3.500c0 .6-.4 1-1 1H15M9 19.500H5.500c-.6 0-1-.4-1-1V15" />
  </Icon>
);

export const LeaveFullScreenIcon = (): JSX.Element => (
  <Icon>
    <path d="M9 4.500V8c0 .6-.4 1-1 1H4.500M19.5 9H16c-.6 0-1-.4-1-1V4.500M15 19.500V16c0-.6.4-1 1-1h3.500M4.5 15H8c.6 0 1 .4 1 1v3.5" />
  </Icon>
);

export const SlidersIcon = (): JSX.Element => (
  <Icon>
    <path d="M4 7.500h8M17.5 7.500H20M4 16.500h2.500M12 16.500h8" />
    <circle cx="14.8" cy="7.5" r="2.4" />
    <circle cx="9.2" cy="16.5" r="2.4" />
  </Icon>
);

export const OpenIcon = (): JSX.Element => (
  <Icon>
    <path d="M12 15.500V4.500M7.8 8.500L12 4.300l4.2 4.200M4.5 14.500V18c0 .8.7 1.5 1.5 1.500h12c.8 0 1.5-.7 1.5-1.500v-3.5" />
  </Icon>
);

export const InfoIcon = (): JSX.Element => (
  <Icon>
    <circle cx="12" cy="12" r="8" />
    <path d="M12 11.300v4.700M12 8.100v.1" />
  </Icon>
);

export const CloseIcon = (): JSX.Element => (
  <Icon>
    <path d="M6.5 6.500l11 11M17.5 6.500l-11 11" />
  </Icon>
);

export const UpIcon = (): JSX.Element => (
  <Icon>
    <path d="M6.5 14.500L12 9l5.5 5.5" />
  </Icon>
);

export const DownIcon = (): JSX.Element => (
  <Icon>
    <path d="M6.5 9.500L12 15l5.5-5.5" />
  </Icon>
);

export const InvertIcon = (): JSX.Element => (
  <Icon>
    <path d="M8 19V5.500M4.500 9L8 5.300 11.500 9M16 5v13.500M12.500 15l3.500 3.700 3.500-3.700" />
  </Icon>
);

export const LinkIcon = (): JSX.Element => (
  <Icon>
    <path d="M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l1-1" />
  </Icon>
);

export const UnlinkIcon = (): JSX.Element => (
  <Icon>
    <path d="M15.700 14l3-3A4 4 0 0 0 13 5.300l-1 1M8.300 10l-3 3A4 4 0 0 0 11 18.700l1-1M4.500 4.500l15 15" />
  </Icon>
);

export const PictureIcon = (): JSX.Element => (
  <Icon>
    <rect x="4" y="5" width="16" height="14" rx="2.500" />
    <path d="M4.500 16l4.500-4.500 4 4 2.500-2.500 4 4" />
    <circle cx="15" cy="9.500" r="1.300" />
  </Icon>
);

export const DiceIcon = (): JSX.Element => (
  <Icon>
    <rect x="4.500" y="4.500" width="15" height="15" rx="3" />
    <path d="M9 9v.1M15 9v.1M12 12v.1M9 15v.1M15 15v.1" />
  </Icon>
);

export const PreviousIcon = (): JSX.Element => (
  <Icon>
    <path
      class="solid"
      d="M18 6.200v11.600c0 .8-.9 1.200-1.500.8L8.500 12.800a1 1 0 0 1 0-1.600l8-5.800c.6-.4 1.500 0 1.500.8z"
    />
    <path d="M6.500 6v12" />
  </Icon>
);

export const NextIcon = (): JSX.Element => (
  <Icon>
    <path
      class="solid"
      d="M6 6.200v11.600c0 .8.9 1.200 1.500.8l8-5.800a1 1 0 0 0 0-1.600l-8-5.800C6.900 5 6 5.400 6 6.200z"
    />
    <path d="M17.500 6v12" />
  </Icon>
);

export const CameraIcon = (): JSX.Element => (
  <Icon>
    <path d="M4 9c0-.8.700-1.500 1.500-1.500h2.700L9.500 5.500h5l1.300 2h2.700c.8 0 1.500.7 1.500 1.500v8c0 .8-.7 1.500-1.500 1.500h-13C4.700 18.500 4 17.800 4 17z" />
    <circle cx="12" cy="12.800" r="3.200" />
  </Icon>
);

export const SmallWindowIcon = (): JSX.Element => (
  <Icon>
    <rect x="3.500" y="5" width="17" height="14" rx="2" />
    <rect class="solid" x="12" y="11.500" width="6" height="5" rx="0.800" />
  </Icon>
);

export const LockIcon = (): JSX.Element => (
  <Icon>
    <rect x="5.500" y="10.500" width="13" height="9" rx="2" />
    <path d="M8.500 10.500V8a3.500 3.500 0 0 1 7 0v2.500" />
  </Icon>
);

export const MicrophoneIcon = (): JSX.Element => (
  <Icon>
    <rect x="9" y="3.500" width="6" height="10.500" rx="3" />
    <path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v2.500" />
  </Icon>
);

export const TabIcon = (): JSX.Element => (
  <Icon>
    <rect x="3.500" y="5" width="17" height="14" rx="2" />
    <path d="M3.500 9.500h17M9 14.500a3 3 0 0 1 6 0M12 14.500v.1" />
  </Icon>
);

export const PlusIcon = (): JSX.Element => (
  <Icon>
    <path d="M12 5.500v13M5.500 12h13" />
  </Icon>
);

export const GripIcon = (): JSX.Element => (
  <Icon>
    <path d="M5.500 9.500h13M5.500 14.500h13" />
  </Icon>
);

/** The mark: ten bars, the middle ones taller, as a wave passing through. */
export const MARK_HEIGHTS = [0.24, 0.44, 0.72, 0.5, 0.86, 1, 0.62, 0.78, 0.4, 0.22] as const;

export function Mark(): JSX.Element {
  return <Bars heights={MARK_HEIGHTS} className="mark" />;
}

/** Ten bars around a middle line: the mark, and each demo track's own sign. */
export function Bars({ heights, className }: { heights: readonly number[]; className: string }): JSX.Element {
  return (
    <svg class={className} viewBox="0 0 40 24" aria-hidden="true" focusable="false">
      {heights.map((height, i) => (
        <rect key={i} x={i * 4 + 0.75} y={12 - 11 * height} width="2.5" height={22 * height} rx="1.25" />
      ))}
    </svg>
  );
}

/** Ten bar heights that belong to a name: always the same ones. */
export function heightsFor(name: string): readonly number[] {
  let state = 2166136261;
  for (const character of name) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 16777619);
  return MARK_HEIGHTS.map((_, i) => {
    state = Math.imul(state ^ (state >>> 15), 2246822519) + i;
    const noise = ((state >>> 8) & 0xffff) / 0xffff;
    const arch = Math.sin((Math.PI * (i + 0.5)) / MARK_HEIGHTS.length);
    return 0.14 + 0.86 * noise * (0.35 + 0.65 * arch);
  });
}
