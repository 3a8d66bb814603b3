export type TabName = 'lesson' | 'talk';

interface RoomTabProps {
  name: TabName;
  tab: TabName;
  label: string;
  onTab: (tab: TabName) => void;
}

/** On a phone, lesson and conversation are tabs. Arrow keys switch. */
export function RoomTab({ name, tab, label, onTab }: RoomTabProps) {
  const other = name === 'lesson' ? 'talk' : 'lesson';
  return (
    <button
      type="button"
      role="tab"
      id={`tab-${name}`}
      aria-controls={name}
      aria-selected={tab === name}
      tabIndex={tab === name ? 0 : -1}
      onClick={() => onTab(name)}
      onKeyDown={(event) => {
        if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
        onTab(other);
        document.getElementById(`tab-${other}`)?.focus();
      }}
    >
      {label}
    </button>
  );
}
