/** The design's line icons, 24 by 24. Always used with a word or a label. */
const iconPaths = {
  check: <path d="M5 12.5l4.5 4.5L19 7.5" />,
  close: <path d="M6 6l12 12M18 6L6 18" />,
  down: <path d="M5 9l7 7 7-7" />,
  gear: (
    <>
      <path d="M4 7h9M17 7h3M4 17h3M11 17h9" />
      <circle cx="15" cy="7" r="2" />
      <circle cx="9" cy="17" r="2" />
    </>
  ),
  home: (
    <>
      <rect x="4" y="5" width="16" height="6" rx="1.5" />
      <rect x="4" y="13" width="16" height="6" rx="1.5" />
      <path d="M7.5 8h.1M7.5 16h.1" />
    </>
  ),
  leave: <path d="M14 4h4a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1h-4M4.5 12H14M8 8l-4 4 4 4" />,
  lock: (
    <>
      <rect x="5" y="11" width="14" height="9" rx="2" />
      <path d="M8 11V8a4 4 0 0 1 8 0v3" />
    </>
  ),
  load: <path d="M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14" />,
  menu: <path d="M4 7h16M4 12h16M4 17h10" />,
  mic: (
    <>
      <rect x="9" y="3" width="6" height="11" rx="3" />
      <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
    </>
  ),
  micoff: (
    <path d="M9 6.2V6a3 3 0 0 1 6 0v5m-1.2 2.4A3 3 0 0 1 9 11.2V10M5.5 11.5a6.5 6.5 0 0 0 10.4 5.2M18.5 11.5a6.4 6.4 0 0 1-.5 2.4M12 18v3M4 4l16 16" />
  ),
  next: <path d="M9 5l7 7-7 7" />,
  note: <path d="M6 3.5h9l4 4v13H6zM9.5 11h6M9.5 15h6" />,
  offline: (
    <path d="M4 4l16 16M8.5 15.5a5 5 0 0 1 6 -.6M5.5 12a9.5 9.5 0 0 1 3.7-2.2M18.5 12a9.5 9.5 0 0 0-5.5-2.8M12 19v.1" />
  ),
  out: <path d="M14 5h5v5M19 5l-9 9M17 14v4a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1h4" />,
  people: (
    <>
      <circle cx="9" cy="9" r="3" />
      <path d="M3.5 19a5.5 5.5 0 0 1 11 0M15.5 6.3a3 3 0 0 1 0 5.4M17 14.2a5.5 5.5 0 0 1 3.5 4.8" />
    </>
  ),
  search: (
    <>
      <circle cx="11" cy="11" r="6" />
      <path d="M15.5 15.5L20 20" />
    </>
  ),
  send: <path d="M5 12h13M12.5 6l6 6-6 6" />,
  tabs: (
    <>
      <rect x="4" y="8" width="12" height="12" rx="2" />
      <path d="M8 8V5a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-3" />
    </>
  ),
  theme: (
    <>
      <circle cx="12" cy="12" r="8" />
      <path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor" />
    </>
  ),
  vol: <path d="M4 10v4h3l5 4V6l-5 4zM16 9a4.2 4.2 0 0 1 0 6M18.6 6.4a8 8 0 0 1 0 11.2" />,
  voloff: <path d="M4 10v4h3l5 4V6l-5 4zM16 9.5l5 5M21 9.5l-5 5" />,
  warn: <path d="M12 4l9 16H3zM12 10v4.5M12 17.2v.1" />,
} as const;

export type IconName = keyof typeof iconPaths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      {iconPaths[name]}
    </svg>
  );
}
