import type { HeardTalk } from '../api';
import { formatDay } from '../dates';
import { minutesOf } from '../parts/minutes';
import { followLink, transcriptPagePath } from '../router';
import { texts } from '../texts';

interface ConversationListProps {
  talks: readonly HeardTalk[];
  current?: HeardTalk | null;
}

/** Conversations by module, each with lesson, date and length. */
export function ConversationList({ talks, current = null }: ConversationListProps) {
  return groupByModule(talks).map(([module, group]) => (
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
              <span className="meta num">{conversationFacts(talk)}</span>
            </a>
          </li>
        ))}
      </ul>
    </div>
  ));
}

function groupByModule(talks: readonly HeardTalk[]): [string, HeardTalk[]][] {
  const found = new Map<string, HeardTalk[]>();
  for (const talk of talks) {
    const module = talk.moduleTitle ?? texts.transcripts.noModule;
    found.set(module, [...(found.get(module) ?? []), talk]);
  }
  return [...found];
}

function conversationFacts({ startedAt, endedAt }: HeardTalk): string {
  const seconds = (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
  return texts.transcripts.talk(formatDay(new Date(startedAt), new Date()), minutesOf(seconds) ?? 1);
}
