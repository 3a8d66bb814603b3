"""LiveKit's names for captions and typed turns, which are text streams."""

TOPIC_CAPTIONS = "lk.transcription"
TOPIC_TYPED = "lk.chat"
ATTRIBUTE_SEGMENT_ID = "lk.segment_id"
ATTRIBUTE_FINAL = "lk.transcription_final"
