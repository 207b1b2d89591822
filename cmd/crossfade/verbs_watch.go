package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// watchEvery is the time between two looks.
const watchEvery = time.Second

// follow prints an answer and then each that differs from the one before, until
// it is interrupted, which is the way to end it and no error.
func (c *verbCall) follow(ctx context.Context, client *admin.Client, p printer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last []byte
	for {
		text, err := client.Do(ctx, c.Verb, c.call)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if !bytes.Equal(text, last) {
			if err := p.next(text, last == nil); err != nil {
				return err
			}
			last = text
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// next prints one answer of many, apart from the one before.
func (p printer) next(text []byte, isFirst bool) error {
	separator := map[string]string{formTable: "\n", formYAML: "---\n"}[p.form]
	if !isFirst {
		if _, err := fmt.Fprint(p.out, separator); err != nil {
			return err
		}
	}
	return p.print(text)
}
