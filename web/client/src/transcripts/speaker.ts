import { texts } from '../texts';

interface Spoken {
  role: 'learner' | 'tutor';
  mine: boolean;
  name: string;
}

/** "You", "Bodh", or another learner's name. */
export function speakerOf({ role, mine, name }: Spoken): string {
  if (role === 'tutor') return texts.talk.tutor;
  return mine ? texts.talk.you : name || texts.talk.someone;
}
