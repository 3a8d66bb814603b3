import { texts } from '../texts';
import type { Turn } from './turns';
import { MicrophoneButton, type MicrophoneProps } from '../rtc/MicrophoneButton';
import { speakerName, type RenderCite } from './Transcript';

interface LatestTurnProps {
  newest: Turn | null;
  microphone: MicrophoneProps;
  renderCite: RenderCite;
}

/** The latest turn, below the lesson on a phone. */
export function LatestTurn({ newest, microphone, renderCite }: LatestTurnProps) {
  return (
    <div className="strip" role="group" aria-label={texts.talk.strip}>
      <p className="line">
        {newest ? (
          <>
            <b className={newest.who === 'bodh' ? 'bodh' : undefined}>{speakerName(newest)}</b> {newest.text}{' '}
            {newest.cites.map((cite) => renderCite(cite))}
          </>
        ) : null}
      </p>
      <MicrophoneButton {...microphone} short />
    </div>
  );
}
