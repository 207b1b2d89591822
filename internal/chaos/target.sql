CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, seq bigint NOT NULL);
CREATE TABLE transfers (token text PRIMARY KEY, src int NOT NULL, dst int NOT NULL, amount bigint NOT NULL);
CREATE TABLE storm_v2 (id int PRIMARY KEY, author int NOT NULL, ver bigint NOT NULL, label text, total numeric(12,2) NOT NULL,
	status text NOT NULL, at timestamptz NOT NULL, extra jsonb NOT NULL DEFAULT '{}');
CREATE TABLE jobs (id bigint PRIMARY KEY, token text NOT NULL, payload text);
CREATE TABLE parents (id int PRIMARY KEY, code text NOT NULL UNIQUE, v int NOT NULL);
CREATE TABLE children (id bigint PRIMARY KEY, parent int NOT NULL REFERENCES parents, slot text UNIQUE, n int NOT NULL);
-- What the source takes and the target does not: the mirror of a transaction
-- that writes it fails, and the transaction goes on.
CREATE TABLE kept (id int PRIMARY KEY, n int NOT NULL CHECK (n <> 13), ver bigint NOT NULL);
CREATE TABLE stalls (id bigint PRIMARY KEY, token text NOT NULL, n int NOT NULL);
CREATE TABLE strays (id int PRIMARY KEY, note text NOT NULL);

-- Every state that an account has had at the target, in its order: the row's
-- lock orders the numbers.
CREATE TABLE account_log (n bigserial PRIMARY KEY, id int NOT NULL, seq bigint NOT NULL);
CREATE FUNCTION log_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
	$$ BEGIN INSERT INTO public.account_log (id, seq) VALUES (NEW.id, NEW.seq); RETURN NULL; END $$;
CREATE TRIGGER log_account AFTER INSERT OR UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION log_account();
