package pgwire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What PostgreSQL 15.18 wrote for CREATE ROLE … PASSWORD in a UTF-8 database.
func TestVerifiersWrittenByPostgreSQL(t *testing.T) {
	for _, c := range []struct{ name, password, verifier string }{
		{"ASCII", "pencil", "SCRAM-SHA-256$4096:PvVNzCpdP1+OejUe6upJ+Q==$Vi7bwnTXICXwNwXmINjwaYue47AtgqtplfKjMlaU5Pk=:yA/Mq+t3uGeDuvMiKPcGXQyiBUv65JhrBEMME88/ZgU="},
		{"umlauts", "p\u00e4ssw\u00f6rd", "SCRAM-SHA-256$4096:JD6PRzLTEbzYFauwASzPzA==$guMCzEFbO2YwBQfBFx5vHZ9lrLzjeKgeV6XRkJLvJVs=:e6Wy7vPrrpgBGkiRWR8afzn1O4JAyVSAwUxAMrxuKng="},
		{"soft hyphen, which is dropped", "I\u00ADX", "SCRAM-SHA-256$4096:8EKGGC3rDSNywRyF5g8q0Q==$Qfv2jpXInIbfd2dppghcEm6NnZ8xovKIFMxPjoXRGAU=:4wPNPB1hR6eugDdWkFEZQA5pnqBJp6AToHUMrKllheM="},
		{"feminine ordinal, which becomes a", "\u00AA", "SCRAM-SHA-256$4096:dzCbbYCG2O7vULSOMArR+g==$maBPSC7aOO8PrXU6eeBe3Gd5rMkuyKZkZwyLqxR1RxA=:2P0qiwOapu4A06gWNBOwB2RFKnJ/j9gsE9Cr0PxHWjw="},
		{"Roman nine, which becomes IX", "\u2168", "SCRAM-SHA-256$4096:+kawzGM0rZKZhK8iF3CjLQ==$CtNoEvka8qej/YDa/zzVx/9O57/EysAfpvkx8LZFaJs=:s7Zqd86dw6x/JhlJ+zuzc4BrtqHnUt7vNg4PoYHPuTc="},
		{"control character among ASCII", "a\ab", "SCRAM-SHA-256$4096:MI/W6qDMNf/+7LScGP6nKA==$xny1MZTHJHxe27ynIBMH7aBUmuhT8EKYEHjm9fWcD/s=:6wSfYZpDPh7bx83znzdm8W28bH1R0zAbOrgIpeliPxc="},
		{"control character, prohibited", "\u00e9\a", "SCRAM-SHA-256$4096:/NLOZgWIasVsB7nSdlmD0w==$n1Wk3/QdMAwTX14qkatYYnQsGynFje1lIGuY33QHJIs=:2KtuNwkh9VaG1fzovkY2rSW8MTF2tPrhp3ZDlY1J7eg="},
		{"right to left with a digit last", "\u06271", "SCRAM-SHA-256$4096:TdPs/3HTBaAWwca7o2A6Tw==$zM+mDz276j1ZyXuV8qpClL6Ubk1CMLl9wAlmZcFI2QE=:BnYgFEAUY2DH8qxa1Oh0DMKJ7+7bLOc8KVdPonBeyIg="},
		{"zero width space, which becomes a space", "a\u200Bb", "SCRAM-SHA-256$4096:FOfTud/ZS/7Waf/e7KPFIQ==$S0E/7OCnd46ICk4nAMZhWPEoI+/+NFdKr7Lm6EUSvwE=:OP9+bWrM6bSMraZcwgB5VYmn7PIdedFPbo7wZX3jXBg="},
		{"prohibited only before normalization", "a\u0340b", "SCRAM-SHA-256$4096:KaHNi7DBSGYxpsyE70+oSg==$B0Pg4K8TWqtB2FuBIRzJbjiTX2BzyfvNY3jMJZLBh5U=:jx3HhfARNRh0x0mctqxzVL40vLRFMdIJoK3uWW6s4dM="},
		{"left to right only after normalization", "\u0627\u2100\u0627", "SCRAM-SHA-256$4096:E3zU06nyKAjtgnMH58kk9A==$VPsISOhI15tJXa7wbylwOtRPon3DrOjPda22mHHpwn4=:FqxP6btbpOSa8VN+AggLKDAgFUrOUN1c/OMZP8AtGV4="},
		{"nothing left", "\u00AD", "SCRAM-SHA-256$4096:Vx07P+b0auFkTNaQ4SxXeQ==$FCEzIi6BPTYyA6xs3az3/4lTj6Wag0X4JOojUnknwL8=:hFRoiAYXen5vL+i1eVSxeL2epyXlGDnm8cvVRo4OfVE="},
		{"no-break space, which becomes a space", "a\u00A0b", "SCRAM-SHA-256$4096:flBmjjs5jHTT7xE40Tx/IQ==$k/4uLJlbFy+1ppjQufdlUE8JjBiEDGnScn4sdPtI6Po=:/LoopsX/d5ytuXESEzvli4xr41jDTB+tCmHSAOvmH/8="},
		{"emoji, unassigned in Unicode 3.2", "\U0001F600x", "SCRAM-SHA-256$4096:vavnVez7GSFWUS2SsjEPXg==$ScWfRjRcrNjxNx6cIFId4FLKd38cmaX/M36nmlH2GS0=:4yVS2BjFxBrmTKmfF09lL78bjNVBVOy9mhApRWPBsDo="},
		{"letter unassigned in Unicode 3.2", "\u0221", "SCRAM-SHA-256$4096:h34FGmu1bq4Kp77xjri9ow==$8baTZ9+Hg6/UPx8Dc/EJSwgIaa2LbMFhqu59hkfM/lk=:vbxiywtDcNq/Op188uIfaAySjqtlXhEuV22f5f8LbdI="},
		{"two marks in their order", "d\u0323\u0307", "SCRAM-SHA-256$4096:WI0nY0LwGdiVP64nok9yKQ==$v6MfaFrk1xObxBEUQbeDvuFEOSBT9SrM0Rhsr7yM8ys=:39xVjBvi1/eG70y12nwTHibrEeV/WoVfwr7YdVdggI0="},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, err := ParseVerifier(c.verifier)
			if err != nil {
				t.Fatal(err)
			}
			if want.Encode() != c.verifier {
				t.Error("Encode does not give back what ParseVerifier read")
			}
			got, err := NewVerifier(c.password, want.Salt, want.Iterations)
			if err != nil {
				t.Fatal(err)
			}
			if got.Encode() != c.verifier {
				t.Errorf("password %+q gives another verifier", c.password)
			}
		})
	}
}

func TestSaslprepLeavesOtherEncodingsAlone(t *testing.T) {
	for _, password := range []string{"caf\xe9", "\xed\xa0\x80", "\xc0\x80", "\u00aa\xff", ""} {
		if got := saslprep(password); got != password {
			t.Errorf("%+q became %+q", password, got)
		}
	}
}

func TestParseVerifierRefuses(t *testing.T) {
	key := strings.Repeat("A", 43) + "="
	const form, field = "not of the form SCRAM-SHA-256$iterations:salt$key:key", "a field is malformed"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", form},
		{"a password", "hunter2", form},
		{"an MD5 hash", "md5a3556571e93b0d20722ba62be61e8c2d", form},
		{"another mechanism", "SCRAM-SHA-512$4096:AAAA$" + key + ":" + key, form},
		{"lower case", "scram-sha-256$4096:AAAA$" + key + ":" + key, form},
		{"no salt", "SCRAM-SHA-256$4096$" + key + ":" + key, form},
		{"no server key", "SCRAM-SHA-256$4096:AAAA$" + key, form},
		{"no keys", "SCRAM-SHA-256$4096:AAAA", form},
		{"empty salt", "SCRAM-SHA-256$4096:$" + key + ":" + key, "salt of 0 bytes, want 1 to 1024"},
		{"long salt", "SCRAM-SHA-256$4096:" + strings.Repeat("AAAA", 400) + "$" + key + ":" + key, "salt of 1200 bytes, want 1 to 1024"},
		{"no iterations", "SCRAM-SHA-256$0:AAAA$" + key + ":" + key, field},
		{"too many iterations", "SCRAM-SHA-256$2147483648:AAAA$" + key + ":" + key, field},
		{"short key", "SCRAM-SHA-256$4096:AAAA$AAAA:" + key, field},
		{"line break at the end", "SCRAM-SHA-256$4096:AAAA$" + key + ":" + key + "\n", field},
		{"line break within", "SCRAM-SHA-256$4096:AA\nAA$" + key + ":" + key, field},
		{"one field more", "SCRAM-SHA-256$4096:AAAA$" + key + ":" + key + ":" + key, field},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseVerifier(c.text)
			if err == nil || err.Error() != "parse verifier: "+c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		salt       []byte
		iterations int
	}{
		"no salt":             {nil, 4096},
		"a salt too long":     {make([]byte, scramMaxSalt+1), 4096},
		"no iterations":       {scramSalt, 0},
		"negative iterations": {scramSalt, -1},
		"too many iterations": {scramSalt, 1 << 31},
	} {
		t.Run(name, func(t *testing.T) {
			if v, err := NewVerifier("x", c.salt, c.iterations); err == nil || v.Salt != nil {
				t.Errorf("got %v, want an error and nothing else", err)
			}
		})
	}
}

func TestScramSecretsPrintAsNothing(t *testing.T) {
	verifier := scramTestVerifier(t, "pencil")
	keys := Keys{Verifier: verifier, ClientKey: verifier.StoredKey}
	opts := ScramClientOptions{Password: "pencil", Offered: []string{scramPlain}, Cache: &KeyCache{}}
	server, client := NewScramServer(ScramServerOptions{Verifier: &verifier}), NewScramClient(opts)
	if err := scramLogin(client, server, nil); err != nil {
		t.Fatal(err)
	}
	serverOpts := ScramServerOptions{Verifier: &verifier, MockSecret: []byte("pencil")}
	for _, value := range []any{
		verifier, &verifier, keys, &keys, opts, &opts, serverOpts, server, *server, client, *client, opts.Cache,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%c"} {
			if got := fmt.Sprintf(verb, value); got != "***" && got != scramMasked {
				t.Errorf("%T prints under %s as %s", value, verb, got)
			}
		}
	}
	for _, c := range []struct {
		value any
		want  string
	}{{verifier, scramMasked}, {keys, scramMasked}, {&keys, scramMasked}, {opts, "***"}, {serverOpts, "***"}, {server, "***"}} {
		out, err := json.Marshal(c.value)
		if err != nil || string(out) != `"`+c.want+`"` {
			t.Errorf("%T marshals as %s, %v", c.value, out, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "k", c.value)
		if !strings.HasSuffix(log.String(), "k="+c.want+"\n") {
			t.Errorf("%T is logged as %s", c.value, &log)
		}
	}
	if verifier.String() != scramMasked {
		t.Errorf("String gives %s", verifier.String())
	}
}

func TestKeyCacheIsUsedAndBounded(t *testing.T) {
	var cache KeyCache
	first, err := cache.derive("pencil", scramSalt, 16)
	if err != nil {
		t.Fatal(err)
	}
	want, err := deriveKeys("pencil", scramSalt, 16)
	if err != nil {
		t.Fatal(err)
	}
	if first.Encode() != want.Encode() || first.ClientKey != want.ClientKey {
		t.Error("the cache derives other keys")
	}
	marked := Keys{Verifier: Verifier{Iterations: 7}}
	id := scramCacheID("pencil", scramSalt, 16)
	cache.keys[id] = marked
	if got, _ := cache.derive("pencil", scramSalt, 16); !cmp.Equal(got, marked) {
		t.Error("the cache derives what it holds")
	}
	for i := range scramCacheSize - 1 {
		cache.store(scramCacheID("other", scramSalt, i), Keys{})
	}
	if _, ok := cache.lookup(id); !ok || len(cache.keys) != scramCacheSize {
		t.Errorf("full with %d entries, the first there: %v", len(cache.keys), ok)
	}
	for i := range 3 {
		cache.store(scramCacheID("more", scramSalt, i), Keys{})
	}
	if _, ok := cache.lookup(id); ok || len(cache.keys) != scramCacheSize {
		t.Errorf("over-full with %d entries, the first there: %v", len(cache.keys), ok)
	}
	if _, err := cache.derive("pencil", nil, 16); err == nil || len(cache.keys) != scramCacheSize {
		t.Error("a failure was cached")
	}
}

func TestKeyCacheTellsPasswordSaltAndIterationsApart(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, c := range []struct {
		password, salt string
		iterations     int
	}{
		{"ab", "c", 1}, {"a", "bc", 1}, {"abc", "", 1}, {"", "abc", 1}, {"ab", "c", 2}, {"AB", "c", 1},
	} {
		id := scramCacheID(c.password, []byte(c.salt), c.iterations)
		if other, ok := seen[id]; ok {
			t.Errorf("%v has the name of %v", c, other)
		}
		seen[id] = fmt.Sprint(c)
	}
}

func TestKeyCacheIsSafeForConcurrentUse(t *testing.T) {
	var cache KeyCache
	var logins sync.WaitGroup
	for i := range 16 {
		logins.Go(func() {
			password := fmt.Sprint("password ", i%4)
			verifier := scramTestVerifier(t, password)
			server := NewScramServer(ScramServerOptions{Verifier: &verifier})
			client := NewScramClient(ScramClientOptions{Password: password, Offered: server.Mechanisms(), Cache: &cache})
			if err := scramLogin(client, server, nil); err != nil {
				t.Error(err)
			}
			client.Wipe()
		})
	}
	logins.Wait()
	if len(cache.keys) != 4 {
		t.Errorf("%d entries for 4 passwords", len(cache.keys))
	}
	for _, keys := range cache.keys {
		if keys.ClientKey == [32]byte{} {
			t.Error("a client wiped keys of the cache")
		}
	}
}
