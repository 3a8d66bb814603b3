import { useLocalParticipant } from '@livekit/components-react';
import type { LocalAudioTrack, Room } from 'livekit-client';
import type { Phase } from './Connection';
import type { MicrophoneProps } from './MicrophoneButton';

interface MicrophoneControls {
  room: Room;
  phase: Phase;
  setMicrophone: (on: boolean) => Promise<void>;
}

/** What the microphone buttons show. */
export function useMicrophoneProps({ room, phase, setMicrophone }: MicrophoneControls): MicrophoneProps {
  const { isMicrophoneEnabled, microphoneTrack } = useLocalParticipant({ room });
  const on = phase === 'live' && isMicrophoneEnabled;
  return {
    connected: phase === 'live',
    on,
    track: on ? ((microphoneTrack?.track as LocalAudioTrack | undefined) ?? null) : null,
    onToggle: () => void setMicrophone(!isMicrophoneEnabled),
  };
}
