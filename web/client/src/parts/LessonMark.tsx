import type { LessonStatus } from '../api';
import { texts } from '../texts';

/** Ring, half ring or tick, with a word for screen readers. Empty if the status is unknown. */
export function LessonMark({ status }: { status: LessonStatus | null }) {
  if (status === null) return <span className="dot-space" aria-hidden="true" />;
  return (
    <span className="dot-space">
      <svg className={`dot ${markClass[status]}`} viewBox="0 0 18 18" aria-hidden="true">
        {status === 'completed' ? (
          <path d="M3.5 9.5l3.7 3.7 7.3-8" strokeLinecap="round" strokeLinejoin="round" strokeWidth="2.2" />
        ) : (
          <circle cx="9" cy="9" r="6.5" />
        )}
        {status === 'in_progress' ? <path className="fill" d="M9 2.5a6.5 6.5 0 0 1 0 13z" /> : null}
      </svg>
      <span className="vh">{`${texts.tree.status[status]}, `}</span>
    </span>
  );
}

const markClass: Record<LessonStatus, string> = { completed: 'done', in_progress: 'part', not_started: '' };
