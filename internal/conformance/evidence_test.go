package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEvidence(t *testing.T) {
	const proxyLog = `{"level":"DEBUG","msg":"side dialled","for":"login","local":"127.0.0.1:1001"}
{"level":"DEBUG","msg":"side dialled","for":"cancel","local":"127.0.0.1:1002"}
{"level":"DEBUG","msg":"another","local":"127.0.0.1:1003"}
not json
`
	tests := []struct {
		name, log string
		want      evidence
	}{
		{
			"a session of the proxy",
			"7 LOG:  connection received: host=127.0.0.1 port=1001\n7 LOG:  connection authorized: user=app database=d SSL enabled (x)\n",
			evidence{Sessions: 1},
		},
		{
			"a cancel request of the proxy logs in nowhere",
			"7 LOG:  connection received: host=127.0.0.1 port=1002\n",
			evidence{Others: 1},
		},
		{
			"the harness comes over the Unix socket as superuser",
			"7 LOG:  connection received: host=[local]\n7 LOG:  connection authorized: user=postgres database=d\n",
			evidence{Harness: 1},
		},
		{
			"another user on the Unix socket is a stray",
			"7 LOG:  connection received: host=[local]\n7 LOG:  connection authorized: user=app database=d\n",
			evidence{Strays: []string{`user "app" from [local] port `}},
		},
		{
			"a port that the proxy does not name is a stray, logged in or not",
			"7 LOG:  connection received: host=127.0.0.1 port=1003\n8 LOG:  connection received: host=127.0.0.1 port=9\n" +
				"8 LOG:  connection authorized: user=app application_name=x\n",
			evidence{Strays: []string{`user "" from 127.0.0.1 port 1003`, `user "app" from 127.0.0.1 port 9`}},
		},
		{
			"the superuser over TCP is a stray",
			"7 LOG:  connection received: host=127.0.0.1 port=9\n7 LOG:  connection authorized: user=postgres database=d\n",
			evidence{Strays: []string{`user "postgres" from 127.0.0.1 port 9`}},
		},
		{
			"a process number that comes again is a new connection",
			"7 LOG:  connection received: host=127.0.0.1 port=1001\n7 LOG:  connection authorized: user=a database=d\n" +
				"7 LOG:  connection received: host=127.0.0.1 port=1002\n",
			evidence{Sessions: 1, Others: 1},
		},
		{
			"what a statement's text imitates does not count",
			"7 ERROR:  syntax error\n\t8 LOG:  connection received: host=127.0.0.1 port=1001\n",
			evidence{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, judge(tt.log, backendPorts(proxyLog))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
