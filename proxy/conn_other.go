//go:build !unix

package proxy

import "syscall"

func (c *conn) bind(syscall.RawConn) {}

func (c *conn) fill() error { return c.fillBlocking() }

// Write writes all of p.
func (c *conn) Write(p []byte) (int, error) { return c.Conn.Write(p) }

// ended is found out by using the leg.
func (l *leg) ended() bool { return false }
