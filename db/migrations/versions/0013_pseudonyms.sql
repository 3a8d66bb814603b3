-- Event logs name people by their LiveKit identity, a pseudonym, instead of their account. Only the
-- row of the account connects the two, so a log that nobody can change needs no change when a
-- person is deleted. Rewrites old events and their hash chain.

alter table session_state_events disable trigger append_only;

-- The JSON text that is hashed: sorted keys, no spaces. Payloads are flat.
create function pg_temp.canonical(payload jsonb) returns text language sql immutable as $$
  select '{' || coalesce(string_agg(to_json(key)::text || ':' || value::text, ','
                                    order by key collate "C"), '') || '}'
  from jsonb_each(payload)
$$;

-- The text of an event after the hash of the event before.
create function pg_temp.lines(event session_state_events) returns text language sql stable as $$
  select concat_ws(E'\n', event.session_id, event.seq, event.type, event.version,
    to_char(event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
    pg_temp.canonical(event.payload))
$$;

create function pg_temp.pseudonymous(event session_state_events) returns session_state_events
language plpgsql stable as $$
declare who text;
begin
  if not event.payload ? 'account_id' then
    return event;
  end if;
  -- only the tutor's own messages have no account
  select identity into who from accounts
    where tenant_id = event.tenant_id and id = (event.payload ->> 'account_id')::uuid;
  event.payload := event.payload - 'account_id' || jsonb_build_object('identity', who);
  event.version := 2;
  if event.idempotency_key like 'lesson:%' then
    event.idempotency_key := format('lesson:%s:%s', who, event.payload ->> 'revision');
  end if;
  return event;
end $$;

do $$
declare
  tenant uuid;
  head session_event_heads;
  event session_state_events;
  changed session_state_events;
  old_hash bytea;
  new_hash bytea;
  seen bigint;
  intact boolean;
begin
  for tenant in select id from tenants loop             -- forced policies bind the owner as well
    perform set_config('app.tenant_id', tenant::text, true);
    for head in select * from session_event_heads h where exists (
        select from session_state_events e
        where e.tenant_id = h.tenant_id and e.session_id = h.session_id
          and e.payload ? 'account_id') loop
      old_hash := decode(repeat('00', 32), 'hex');
      new_hash := old_hash;
      seen := 0;
      intact := true;
      for event in select * from session_state_events
          where tenant_id = head.tenant_id and session_id = head.session_id order by seq loop
        old_hash := sha256(old_hash || convert_to(pg_temp.lines(event), 'UTF8'));
        seen := seen + 1;
        -- a log that was broken stays broken at the same event
        intact := intact and event.seq = seen and event.hash = old_hash;
        changed := pg_temp.pseudonymous(event);
        if intact then
          new_hash := sha256(new_hash || convert_to(pg_temp.lines(changed), 'UTF8'));
          changed.hash := new_hash;
        end if;
        update session_state_events
          set payload = changed.payload, version = changed.version, hash = changed.hash,
              idempotency_key = changed.idempotency_key
          where tenant_id = event.tenant_id and session_id = event.session_id and seq = event.seq;
      end loop;
      if intact and head.last_seq = seen and head.last_hash = old_hash then
        update session_event_heads set last_hash = new_hash
          where tenant_id = head.tenant_id and session_id = head.session_id;
      end if;
    end loop;
  end loop;
  perform set_config('app.tenant_id', '', true);
end $$;

alter table session_state_events enable always trigger append_only;
alter table session_state_events add constraint no_accounts_in_the_log
  check (not payload ? 'account_id');

-- who logs a stay looks up the person's identity
do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_drain') then
    grant select (tenant_id, id, identity) on accounts to bodh_drain;
  end if;
end $$;
