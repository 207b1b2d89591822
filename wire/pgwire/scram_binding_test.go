package pgwire

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"testing"
)

func TestCertHash(t *testing.T) {
	want := map[x509.SignatureAlgorithm]crypto.Hash{
		x509.MD5WithRSA:       crypto.SHA256,
		x509.SHA1WithRSA:      crypto.SHA256,
		x509.DSAWithSHA1:      crypto.SHA256,
		x509.ECDSAWithSHA1:    crypto.SHA256,
		x509.SHA256WithRSA:    crypto.SHA256,
		x509.SHA256WithRSAPSS: crypto.SHA256,
		x509.DSAWithSHA256:    crypto.SHA256,
		x509.ECDSAWithSHA256:  crypto.SHA256,
		x509.SHA384WithRSA:    crypto.SHA384,
		x509.SHA384WithRSAPSS: crypto.SHA384,
		x509.ECDSAWithSHA384:  crypto.SHA384,
		x509.SHA512WithRSA:    crypto.SHA512,
		x509.SHA512WithRSAPSS: crypto.SHA512,
		x509.ECDSAWithSHA512:  crypto.SHA512,
	}
	for algorithm := range x509.SignatureAlgorithm(64) { // more than there are
		t.Run(fmt.Sprint(algorithm), func(t *testing.T) {
			got, ok := CertHash(&x509.Certificate{Raw: []byte("certificate"), SignatureAlgorithm: algorithm})
			hash, defined := want[algorithm]
			if ok != defined {
				t.Fatalf("defined is %v, want %v", ok, defined)
			}
			if !defined {
				if got != nil {
					t.Errorf("got %x, want nothing", got)
				}
				return
			}
			sum := hash.New()
			sum.Write([]byte("certificate"))
			if !bytes.Equal(got, sum.Sum(nil)) {
				t.Errorf("not the %v of the certificate", hash)
			}
		})
	}
}

// The answers were computed by another implementation (Python's hashlib).
func TestMD5Response(t *testing.T) {
	for _, c := range []struct {
		user, password string
		salt           [4]byte
		want           string
	}{
		{"md5u", "md5pw", [4]byte{1, 2, 3, 4}, "md50f59f22c6b40f136208ed5151c62665a"},
		{"", "", [4]byte{}, "md591b86670dcd47857d222fa05653500aa"},
	} {
		if got := MD5Response(c.user, c.password, c.salt); got != c.want {
			t.Errorf("user %q: got %s, want %s", c.user, got, c.want)
		}
	}
}
