-- A lock on a room that needs no transaction: its holder calls the media server.

alter table livekit_rooms
  add column locked_by uuid,               -- random, of the holder; nobody else releases it
  add column locked_until timestamptz;     -- by the database's clock

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_watch') then
    grant update (locked_by, locked_until) on livekit_rooms to bodh_watch;
  end if;
end $$;
