-- Whether a running conversation already follows a learner's choice about storing their words.

-- counts the changes of store_words
alter table account_settings add column store_words_revision bigint not null default 0;

-- the store_words_revision that the room's agent has read last
alter table room_learners add column store_words_read bigint not null default 0;
