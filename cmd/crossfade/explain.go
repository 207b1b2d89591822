package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/crossfade-db/crossfade/router"
)

// explainTime bounds reading both catalogs.
const explainTime = time.Minute

const explainHelp = `Says how a statement is understood, routed and mirrored, as proxy and mapping have
it. The statement is not run.

With -c FILE no proxy is asked: the mapping of the file is held against both
databases, as the service logins. Without it the running proxy answers by the
mapping in force, which needs a token of the role viewer.
` + doorHelp

// explainCommand asks the running proxy, or with -c FILE both databases.
func explainCommand() *cobra.Command {
	cmd := verbCommand(verbNamed("explain"))
	ask := cmd.RunE
	cmd.Long = explainHelp
	cmd.Use = "explain [-c FILE] 'SQL'"
	cmd.Flag("config").Usage = "explain by this configuration file and both databases, without a proxy"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("config") {
			return ask(cmd, args)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), explainTime)
		defer cancel()
		return explainByFile(ctx, cmd, args[0])
	}
	return cmd
}

// explainByFile explains as a proxy of that file would.
func explainByFile(ctx context.Context, cmd *cobra.Command, sql string) error {
	given := func(name string) string { return cmd.Flag(name).Value.String() }
	verb := verbNamed("explain")
	if forms := formsOf(verb); !slices.Contains(forms, given("output")) {
		return &exit{exitUsage, fmt.Errorf("-o %s is not known: use table, json, yaml", given("output"))}
	}
	for _, a := range verb.Args {
		if v := cmd.Flag(a.Name); v != nil && v.Changed && len(a.Words) > 0 && !slices.Contains(a.Words, v.Value.String()) {
			return &exit{exitUsage, fmt.Errorf("%s %q is not known: it is source, target", a.Name, v.Value)}
		}
	}
	q := admin.StatementQuery{SQL: sql, User: given("user"), Shape: given("shape"), Side: given("as-side")}
	if err := q.Check(); err != nil {
		return &exit{exitUsage, err}
	}
	config, err := configs.Load(given("config"))
	if err != nil {
		return &exit{exitUsage, err}
	}
	x, err := explainerOf(ctx, config, q.User)
	if err != nil {
		return err
	}
	text, err := json.Marshal(x.explain(q.SQL))
	if err != nil {
		return fmt.Errorf("write the explanation: %w", err)
	}
	p := printer{verb: verb, form: given("output"), out: cmd.OutOrStdout(), talk: cmd.ErrOrStderr()}
	return p.print(text)
}

// explainerOf reads both catalogs and makes the explainer of a user's sessions.
func explainerOf(ctx context.Context, config *configs.Config, user string) (*explainer, error) {
	if config.Target == nil || config.Mapping() == nil {
		return nil, &exit{exitUsage, errors.New("this configuration mirrors no writes, since it has no migration.tables: there is nothing to explain")}
	}
	name, login, err := sessionOf(config, user)
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	m := &dualWrites{config: config}
	c := &catalogs{Rights: map[string]map[rewrite.Name]writes.Rights{}}
	for side := range c.Schemas {
		if err := m.readSide(ctx, c, router.Side(side)); err != nil {
			return nil, &exit{exitUnreachable, fmt.Errorf("read the catalog of the %s as its service login: %w", router.Side(side), err)}
		}
	}
	x := newExplainer(config, c.Schemas[router.Source], c.Schemas[router.Target])
	x.user, x.env.Rights = name, c.Rights[login]
	if x.env.Path, err = m.loginPath(ctx, login); err != nil {
		return nil, &exit{exitUnreachable, err}
	}
	if len(x.env.Path) == 0 {
		return nil, &exit{exitUsage, fmt.Errorf("user %q: the source has no login %q", name, login)}
	}
	return x, nil
}

// newExplainer holds the mapping against both catalogs.
func newExplainer(config *configs.Config, source, target *rewrite.Schema) *explainer {
	plan, problems := rewrite.Resolve(config.Mapping(), source, target, defaultsOf(config))
	return &explainer{
		env: writes.Env{Plan: plan}, problems: problems, uncaptured: config.Migration.OnUncaptured, ddl: config.Migration.OnDDL,
		limits: parse.Limits{Bytes: int(config.Limits.Parse.Bytes), Operators: config.Limits.Parse.Operators},
	}
}

// sessionOf is a user of the configuration, the first by default, with the login
// at the source.
func sessionOf(config *configs.Config, user string) (name, login string, err error) {
	for i := range config.Users {
		u := &config.Users[i]
		if user == "" || u.Name == user {
			return u.Name, nameAt(u.Name, loginOf(u, router.Source).User), nil
		}
	}
	if user == "" {
		return "", "", errors.New("the configuration has no users, whose rights and search_path a statement hangs on")
	}
	return "", "", fmt.Errorf("user %q is not in the configuration", user)
}

// loginPath asks the source for the search_path of a login.
func (m *dualWrites) loginPath(ctx context.Context, login string) ([]string, error) {
	conn, err := m.connect(ctx, router.Source)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return loginPath(ctx, schema.Of(conn), login)
}
