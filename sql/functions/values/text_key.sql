-- text_key: the form in which addresses and names are compared, in unique indexes and look-ups: two
-- texts are the same if their keys are. It is not for showing.
--
-- Decomposed for compatibility (NFKD), so that it does not matter how a letter is put together, and
-- the sign for kelvin is a k; without what cannot be seen; in lower case, in every database by the
-- same rule and not by its collation: Latin letters, also those with marks, the Greek alphabet, in
-- which the final sigma is a sigma, and the Cyrillic one. Other letters stay as they are. A dotless
-- i is not an i.
--
-- Indexes are built of it: whoever changes what it returns builds them anew in a migration.
--
-- No `set search_path`, so that the planner inlines it.
--
-- requires: 0002_schema visible

create or replace function app.text_key(value text)
    returns text
    language sql
    immutable
    strict
    parallel safe
as $$
    select translate(
        lower(app.visible(normalize(value, nfkd)) collate "C"),
        'ÆÐØÞĐĦŁŊŒẞ'
        'ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩς'
        'АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ'
        'ЂЄЅІЈЉЊЋЏҐ',
        'æðøþđħłŋœß'
        'αβγδεζηθικλμνξοπρστυφχψωσ'
        'абвгдежзиклмнопрстуфхцчшщъыьэюя'
        'ђєѕіјљњћџґ'
    )
$$;

comment on function app.text_key(text) is
    'The form in which addresses and names are compared; the same for what is the same.';

revoke all on function app.text_key(text) from public;
grant execute on function app.text_key(text) to app_api, app_auth, app_ops;
