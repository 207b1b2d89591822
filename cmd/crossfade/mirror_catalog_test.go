package main

import (
	"testing"

	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
)

// TestWhatIsReadAnewIsAdopted: sizes apart, all that decisions hang on counts.
func TestWhatIsReadAnewIsAdopted(t *testing.T) {
	a, b := rewrite.Name{Schema: "public", Name: "a"}, rewrite.Name{Schema: "public", Name: "b"}
	made := func(change func(m *proxy.Mapped, table *rewrite.Table)) *proxy.Mapped {
		table := &rewrite.Table{Name: a, Columns: []rewrite.Column{{Name: "id"}}}
		side := func() *rewrite.Schema {
			return &rewrite.Schema{
				Tables: map[rewrite.Name]*rewrite.Table{b: {Name: b}}, Types: map[uint32]*rewrite.Type{90001: {Labels: []string{"x"}}}, Volatile: map[string][]string{"f": {"public"}},
			}
		}
		m := &proxy.Mapped{
			Plan:   &rewrite.Plan{Source: side(), Target: side(), Pairs: []*rewrite.Pair{{Source: table}}},
			Rights: map[string]map[rewrite.Name]writes.Rights{"app": {a: {Select: true}}},
		}
		m.Plan.Source.Tables[a] = table
		change(m, table)
		return m
	}
	as := func(*proxy.Mapped, *rewrite.Table) {}
	for name, test := range map[string]struct {
		change func(m *proxy.Mapped, table *rewrite.Table)
		same   bool
	}{
		"nothing":                        {as, true},
		"sizes":                          {func(_ *proxy.Mapped, t *rewrite.Table) { t.Rows, t.Bytes = 5, 8192 }, true},
		"a rule":                         {func(_ *proxy.Mapped, t *rewrite.Table) { t.Rules = true }, false},
		"what a read calls":              {func(_ *proxy.Mapped, t *rewrite.Table) { t.ReadActs = true }, false},
		"what a write calls":             {func(_ *proxy.Mapped, t *rewrite.Table) { t.WriteActs = true }, false},
		"who refers to it":               {func(_ *proxy.Mapped, t *rewrite.Table) { t.Referenced = []rewrite.ForeignKey{{OnDelete: 'c'}} }, false},
		"a function":                     {func(m *proxy.Mapped, _ *rewrite.Table) { m.Plan.Source.Volatile["g"] = []string{"public"} }, false},
		"a label":                        {func(m *proxy.Mapped, _ *rewrite.Table) { m.Plan.Source.Types[90001].Labels = nil }, false},
		"an event trigger":               {func(m *proxy.Mapped, _ *rewrite.Table) { m.Plan.Source.OnDefined = true }, false},
		"a key of the target":            {func(m *proxy.Mapped, _ *rewrite.Table) { m.Plan.Target.Tables[b].Keys = []rewrite.Key{{Name: "k"}} }, false},
		"a right":                        {func(m *proxy.Mapped, _ *rewrite.Table) { m.Rights["app"][a] = writes.Rights{} }, false},
		"a table that is mapped no more": {func(m *proxy.Mapped, _ *rewrite.Table) { m.Plan.Pairs = nil }, false},
	} {
		if got := same(made(as), made(test.change)); got != test.same {
			t.Errorf("%s: the same is %v", name, got)
		}
	}
}
