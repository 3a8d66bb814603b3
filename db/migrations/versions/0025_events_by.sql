-- Finds what somebody has done to others, such as mute them, for the export of their data.
create index session_state_events_by on session_state_events (tenant_id, (payload ->> 'by'))
  where payload ->> 'by' is not null;
