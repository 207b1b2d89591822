# One run of pgbench in a query mode, and what it left in the tables.
set -eu
echo "== load"
pgbench -q -i -s 1 2>&1
echo "== run"
pgbench -n -M "$1" -c 1 -t 300 --random-seed=42 2>&1
echo "== two clients, all at once"
pgbench -n -M "$1" -S -c 2 -j 2 -t 300 --random-seed=43 2>&1
echo "== tables"
psql -X -A -c "SELECT sum(abalance), count(*) FROM pgbench_accounts" -c "SELECT tid, tbalance FROM pgbench_tellers ORDER BY tid" \
	-c "SELECT tid, bid, aid, delta FROM pgbench_history ORDER BY 1, 2, 3, 4" -c "SELECT * FROM pgbench_branches"
