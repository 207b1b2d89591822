package proxy

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/router"
)

var (
	stateSeeds = flag.Int("stateseeds", 25, "how many random scripts of session state are run")
	stateFirst = flag.Uint64("statefirst", 1, "the seed of the first")
)

// What a random script is put together of. No statement shows by its answer on
// which side it ran, so that each has to be answered as directly.
var stateDeeds = func() []step {
	deeds := []step{
		q("COMMIT"), q("ROLLBACK"), q("BEGIN; SELECT 1"), q("COMMIT AND CHAIN"), q("BEGIN; SET LOCAL work_mem = '6MB'"),
		q("ROLLBACK; SET work_mem = '2MB'"), q("SELECT 1; SELECT 2"), q("SELECT 1; SELECT 1/0"),
		q("SET SESSION AUTHORIZATION tenant"), q("RESET SESSION AUTHORIZATION"), q("SET SESSION AUTHORIZATION DEFAULT"),
		q("SET ROLE narrow"), q("SET ROLE NONE"), q("RESET ROLE"), q("SET LOCAL ROLE narrow"),
		q("SELECT set_config('app.tenant', 'set', false)"), q("SELECT set_config('app.tenant', 'local', true)"),
		q("SELECT set_config('work' || '_mem', '3MB', false)"),
		q("DO $$ BEGIN PERFORM set_config('TimeZone', 'Asia/Tokyo', false); END $$"),
		q("DO $$ BEGIN PERFORM 1; END $$"), q("DISCARD ALL"), q("DISCARD PLANS"), q("DEALLOCATE ALL"), q("RESET ALL"), q("CLOSE ALL"),
		q("SELECT 1/0"), q("SELEKT"), q("SELECT nothing FROM whoami"), q(""),
		{query("ROLLBACK"), query("BEGIN"), query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")},
		{query("ROLLBACK"), query("BEGIN ISOLATION LEVEL REPEATABLE READ")},
		{query("ROLLBACK"), query("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY")},
		q("SET default_transaction_isolation = 'repeatable read'"), q("RESET default_transaction_isolation"),
		q("SHOW transaction_isolation"), q("CREATE TEMP TABLE IF NOT EXISTS tt (n int)"), q("DROP TABLE IF EXISTS pg_temp.tt"), q("SELECT count(*) FROM tt"),
		q("SELECT pg_advisory_lock_shared(88)"), q("SELECT pg_advisory_unlock_shared(88)"), q("SELECT pg_advisory_unlock_all()"),
		q("LISTEN randomly"), q("UNLISTEN *"), q("DECLARE hc CURSOR WITH HOLD FOR SELECT n FROM whoami ORDER BY n"), q("FETCH 1 FROM hc"), q("CLOSE hc"),
		{parsed("SELECT n FROM whoami WHERE n = 2"), descS, syncUp},
		{bindTo(""), descP, execute, syncUp},
		{bindTo(""), execute, syncUp},
		{parsed("SELECT count(*) FROM whoami"), bind, execute, parsed("SELECT 1/0"), bind, execute, parsed("SELECT 3"), bind, execute, syncUp},
		{parsed("SELECT 1"), bind, execute, parsed("BEGIN"), bind, execute, syncUp},
		{parsed("SELECT COALESCE(current_setting('app.tenant', true), '')"), bind, descP, execute, syncUp, query("SELECT 5"), query("SELECT 6")},
	}
	for range 3 { // these are what applications do most
		deeds = append(deeds, q("BEGIN"), q("COMMIT"), q("ROLLBACK"), q("SAVEPOINT a"), q("ROLLBACK TO a"), q("RELEASE a"))
	}
	for _, name := range []string{"work_mem = '1MB'", "work_mem = '5MB'", "app.tenant = 'one'", "app.tenant = 'two'", "TimeZone = 'Europe/Oslo'", "search_path = pg_catalog, public", "DateStyle = 'SQL, DMY'", "statement_timeout = '50s'", "extra_float_digits = 0"} {
		deeds = append(deeds, q("SET "+name), q("SET LOCAL "+name))
	}
	for _, name := range []string{"work_mem", "app.tenant", "TimeZone", "search_path", "DateStyle", "statement_timeout"} {
		deeds = append(deeds, q("RESET "+name))
	}
	for _, name := range []string{"s1", "s2"} {
		deeds = append(deeds,
			step{closes(name), parseAs(name, "SELECT n, COALESCE(current_setting('app.tenant', true), '') FROM whoami WHERE n = $1"), describe(name), syncUp},
			step{closes(name), parseAs(name, "SELECT 'other'"), syncUp},
			step{bindTo(name, "3"), execute, syncUp}, step{bindTo(name), execute, syncUp}, step{describe(name), syncUp}, step{closes(name), syncUp},
			step{closes(name), parseAs(name, "SELECT count(*) FROM whoami WHERE n < $1"), bindTo(name, "5"), execute, syncUp},
			q("DEALLOCATE "+name), q("PREPARE q"+name+" AS SELECT 'prepared'"), q("EXECUTE q"+name), q("DEALLOCATE q"+name))
	}
	return deeds
}()

// everything shows the state that a script can change.
const everything = "SELECT COALESCE(current_setting('app.tenant', true), ''), current_setting('work_mem'), current_setting('TimeZone'), current_setting('search_path')," +
	" current_setting('DateStyle'), current_setting('statement_timeout'), current_setting('extra_float_digits'), current_user, session_user"

// TestM00RandomScriptsAreAnsweredAsDirectly runs random scripts at the source
// directly and through the proxy, while the share goes up and down. Run more:
//
//	go test ./proxy -run M00Random -args -stateseeds 1000 -statefirst 100
func TestM00RandomScriptsAreAnsweredAsDirectly(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	for seed := *stateFirst; seed < *stateFirst+uint64(*stateSeeds); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomScript(t, proxy, seed) })
	}
	if moved := proxy.movedTo(router.Target); moved < *stateSeeds {
		t.Errorf("only %d moves to the target in %d scripts", moved, *stateSeeds)
	}
}

func (s *shared) movedTo(side router.Side) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moves[side]
}

func randomScript(t *testing.T, proxy *shared, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	direct, through := speakTo(t, pair.Source.Addr(), nil), speakTo(t, proxy.addr, nil)
	defer func() { _ = direct.Close() }()
	defer func() { _ = through.Close() }()
	var done []string
	for range 40 {
		says := stateDeeds[random.IntN(len(stateDeeds))]
		switch random.IntN(8) {
		case 0:
			proxy.share(float64(100 * random.IntN(2)))
			done = append(done, fmt.Sprint("-- share ", proxy.policy.Load().Share))
		case 1, 2, 3:
			says = q(everything)
		}
		done = append(done, strings.ReplaceAll(spelled(says), everything, "everything"))
		want, got := direct.talk(t, says...), through.talk(t, says...)
		reportsFirst(want)
		reportsFirst(got)
		unlike(want, got)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("(-direct +proxy):\n%s", diff)
			for i, sql := range done {
				t.Logf("%3d %s", i, sql)
			}
			return
		}
	}
}

// unlike makes alike what is known to differ: which error a failed transaction
// gives to the use of a statement that its leg has not.
func unlike(want, got []string) {
	if len(got) > 0 && len(want) > 0 && (want[0] == "E 25P02" || want[0] == "E 08P01") && got[0] == "E 26000" && got[len(got)-1] == "Z E" {
		got[0] = want[0]
	}
}
