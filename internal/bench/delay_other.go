//go:build !linux

package main

import "time"

// alarm waits for some time.
type alarm struct{}

func newAlarm() (*alarm, error) { return &alarm{}, nil }

// wait returns when t has come.
func (a *alarm) wait(t time.Time) error {
	<-time.After(time.Until(t))
	return nil
}

func (a *alarm) close() error { return nil }
