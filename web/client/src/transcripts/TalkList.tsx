import type { HeardTalk } from '../api';
import { dayOf } from '../dates';
import { minutesOf } from '../parts/minutes';
import { followLink, transcriptPagePath } from '../router';
import { texts } from '../texts';

interface TalkListProps {
  talks: readonly HeardTalk[];
  current?: HeardTalk | null;
}

/** Conversations by module, each with lesson, date and length. */
export function TalkList({ talks, current = null }: TalkListProps) {
  return modulesOf(talks).map(([module, group]) => (
    <div key={module}>
      <p className="lab">{module}</p>
      <ul>
        {group.map((talk) => (
          <li key={`${talk.sessionId} ${talk.lessonId}`}>
            <a
              href={transcriptPagePath(talk.sessionId, talk.lessonId)}
              onClick={followLink}
              aria-current={talk === current ? 'page' : undefined}
            >
              {talk.lessonTitle ?? texts.transcripts.noLesson}
              <span className="meta num">{factsOf(talk)}</span>
            </a>
          </li>
        ))}
      </ul>
    </div>
  ));
}

function modulesOf(talks: readonly HeardTalk[]): [string, HeardTalk[]][] {
  const found = new Map<string, HeardTalk[]>();
  for (const talk of talks) {
    const module = talk.moduleTitle ?? texts.transcripts.noModule;
    found.set(module, [...(found.get(module) ?? []), talk]);
  }
  return [...found];
}

function factsOf({ startedAt, endedAt }: HeardTalk): string {
  const seconds = (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
  return texts.transcripts.talk(dayOf(new Date(startedAt)), minutesOf(seconds) ?? 1);
}
