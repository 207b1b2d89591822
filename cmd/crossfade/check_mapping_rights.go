package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/reconcile/repair"
	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// rights asks what each login may do with the mapped tables: at the source it
// must see what it writes, at the target it must be able to write the same.
func (m *mappingProof) rights(ctx context.Context) error {
	var told perUser
	for i := range m.config.Users {
		u := &m.config.Users[i]
		source, err := m.source.rightsOf(ctx, nameAt(u.Name, loginOf(u, router.Source).User), m.names(router.Source))
		if err != nil {
			return fmt.Errorf("user %q at the source: %w", u.Name, err)
		}
		target, err := m.target.rightsOf(ctx, nameAt(u.Name, loginOf(u, router.Target).User), m.names(router.Target))
		if err != nil {
			return fmt.Errorf("user %q at the target: %w", u.Name, err)
		}
		var found []finding
		for _, pair := range m.plan.Pairs {
			found = append(found, rightsOn(pair, source, target)...)
		}
		told.add(u.Name, found)
	}
	told.tell(m.result)
	return nil
}

func nameAt(name, login string) string {
	if login == "" {
		return name
	}
	return login
}

func (s *mappedSide) rightsOf(ctx context.Context, role string, tables []rewrite.Name) (map[rewrite.Name]schema.Rights, error) {
	return schema.Privileges(ctx, s.ask, role, tables)
}

// names are the mapped tables of a side.
func (m *mappingProof) names(side router.Side) []rewrite.Name {
	var names []rewrite.Name
	for _, pair := range m.plan.Pairs {
		if side == router.Source {
			names = append(names, pair.Source.Name)
			continue
		}
		for _, t := range pair.Targets {
			names = append(names, t.Table.Name)
		}
	}
	return names
}

// rightsOn compares what one login may do with one pair on both sides.
func rightsOn(pair *rewrite.Pair, source, target map[rewrite.Name]schema.Rights) []finding {
	here := source[pair.Source.Name]
	if !here.Insert && !here.Update && !here.Delete && !here.Truncate {
		return nil
	}
	var found []finding
	add := func(severity, message, remedy string) {
		found = append(found, finding{Severity: severity, Check: "rights", Table: pair.Name(), Message: message, Remedy: remedy})
	}
	if !here.Select {
		add("warning", "may write it at the source and not read all of its columns: its writes are not captured", "GRANT SELECT at the source")
	}
	if here.RowSecurity {
		add("warning", "row security applies at the source: its writes are not captured", "grant BYPASSRLS to the login at the source, if it may see all rows")
	}
	for _, t := range pair.Targets {
		there := target[t.Table.Name]
		if lacking := lacks(here, there); len(lacking) > 0 {
			add("error", fmt.Sprintf("lacks %s on %s at the target", strings.Join(lacking, ", "), t.Table.Name),
				fmt.Sprintf("GRANT %s ON %s at the target", strings.Join(lacking, ", "), t.Table.Name))
		}
		if there.RowSecurity {
			add("error", fmt.Sprintf("row security of %s applies at the target: rows that policies hide cannot be brought", t.Table.Name),
				"grant BYPASSRLS to the login at the target")
		}
	}
	return found
}

// lacks are the rights that an image needs beyond those that there are. An
// update is brought as an upsert, which may insert; a delete that meets no row
// inserts one first.
func lacks(here, there schema.Rights) []string {
	need := []struct {
		name        string
		needed, has bool
	}{
		{"SELECT", true, there.Select},
		{"INSERT", here.Insert || here.Update || here.Delete, there.Insert},
		{"UPDATE", here.Insert || here.Update || here.Delete, there.Update},
		{"DELETE", here.Update || here.Delete, there.Delete},
		{"TRUNCATE", here.Truncate, there.Truncate},
	}
	var lacking []string
	for _, n := range need {
		if n.needed && !n.has {
			lacking = append(lacking, n.name)
		}
	}
	return lacking
}

// serviceRights asks whether the proxy's own logins may repair: at the source
// they lock rows as they read them (FOR SHARE needs UPDATE), at the target they
// write anything.
func (m *mappingProof) serviceRights(ctx context.Context) error {
	for _, s := range []*mappedSide{m.source, m.target} {
		rights, err := s.rightsOf(ctx, s.login, m.names(s.side))
		if err != nil {
			return fmt.Errorf("service login at the %s: %w", s.side, err)
		}
		need := schema.Rights{Insert: true, Delete: true}
		if s.side == router.Source {
			need = schema.Rights{}
		}
		missing := map[string][]string{}
		var order []string
		for _, name := range m.names(s.side) {
			lacking := strings.Join(serviceLacks(s.side, need, rights[name]), ", ")
			if lacking == "" {
				continue
			}
			if missing[lacking] == nil {
				order = append(order, lacking)
			}
			missing[lacking] = append(missing[lacking], name.String())
		}
		for _, lacking := range order {
			m.add(finding{
				Severity: "error", Check: "service rights", Table: onlyName(missing[lacking]),
				Message: fmt.Sprintf("the %s's service login lacks %s on %s", s.side, lacking, listed(missing[lacking])),
				Remedy:  fmt.Sprintf("GRANT it to %s at the %s, or BYPASSRLS for row security", s.login, s.side),
			})
		}
		if err := m.epochRights(ctx, s); err != nil {
			return err
		}
	}
	m.add(finding{
		Severity: "info", Check: "schema crossfade",
		Message: "the service logins create on each side what is not there yet: " + strings.Join(repair.FenceDDL, "; "),
	})
	return nil
}

func serviceLacks(side router.Side, need, has schema.Rights) []string {
	var lacking []string
	if side == router.Target {
		lacking = lacks(need, has)
	} else {
		if !has.Select {
			lacking = append(lacking, "SELECT")
		}
		if !has.Update {
			lacking = append(lacking, "UPDATE")
		}
	}
	if has.RowSecurity {
		lacking = append(lacking, "BYPASSRLS")
	}
	return lacking
}

const epochQuery = `SELECT CASE WHEN n.oid IS NULL THEN pg_catalog.has_database_privilege(d.oid, 'CREATE')
  ELSE pg_catalog.has_schema_privilege(n.oid, 'CREATE') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') END
FROM pg_catalog.pg_database d LEFT JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) 'crossfade'
WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()`

// epochRights asks whether the service login may make the schema crossfade.
func (m *mappingProof) epochRights(ctx context.Context, s *mappedSide) error {
	rows, err := s.words(ctx, epochQuery)
	if err != nil {
		return fmt.Errorf("service login at the %s: %w", s.side, err)
	}
	if !slices.Equal(rows[0], []string{"t"}) {
		m.add(finding{
			Severity: "error", Check: "service rights",
			Message: fmt.Sprintf("the %s's service login may not create the schema crossfade, where the proxy keeps its epoch", s.side),
			Remedy:  fmt.Sprintf("GRANT CREATE ON DATABASE to %s at the %s", s.login, s.side),
		})
	}
	return nil
}
