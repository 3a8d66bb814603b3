-- a `math` element, checked by the import; null in text and code, and in what was imported before
alter table passages add column mathml text check (mathml is null or kind = 'formula');
