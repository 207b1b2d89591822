package pgwire

import (
	"crypto/md5"
	"encoding/hex"
)

// MD5Response is the PasswordMessage text that answers AuthenticationMD5Password
// (PostgreSQL manual, 54.2.1): "md5" + md5(md5(password + user) + salt), each
// md5 in hexadecimal. It is for servers that still keep MD5 passwords; we never
// ask a client for it.
func MD5Response(user, password string, salt [4]byte) string {
	inner := md5.Sum([]byte(password + user))
	text := hex.AppendEncode(nil, inner[:])
	outer := md5.Sum(append(text, salt[:]...))
	return "md5" + hex.EncodeToString(outer[:])
}
