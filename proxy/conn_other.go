//go:build !unix

package proxy

import "syscall"

func (c *conn) bind(syscall.RawConn) {}

func (c *conn) fill() error { return c.fillBlocking() }

// Write writes all of p.
func (c *conn) Write(p []byte) (int, error) { return c.Conn.Write(p) }
