package configs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"io/fs"
	"maps"
	"math/big"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// contract is the configuration as the interface document promises it.
//
//go:embed testdata/interface.yaml
var contract []byte

//go:embed crossfade.yaml
var fullExample []byte

//go:embed crossfade.minimal.yaml
var minimalExample []byte

const verifier = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$" +
	"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// keyPair is a certificate of itself and its key, in PEM.
var keyPair = sync.OnceValue(func() [2]string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "crossfade test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return [2]string{
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}
})

// testFiles are the files that the examples name, by base name.
func testFiles() map[string]string {
	pair := keyPair()
	return map[string]string{
		"server.crt": pair[0], "server.key": pair[1], "source-ca.pem": pair[0],
		"target.password": "target-secret\n", "target": "target-secret\n", "evidence.key": "evidence-secret",
		"empty": "\n", "nul": "a\x00b", "crlf": "crlf-secret\r\n", "two-lines": "two\n\n",
	}
}

var testEnv = map[string]string{
	"CROSSFADE_SOURCE_PASSWORD": "source-secret",
	"APP_PASSWORD":              "app-secret",
	"APP_TARGET_PASSWORD":       "app-target-secret",
	"CROSSFADE_OPERATOR_TOKEN":  "operator-secret",
	"EMPTY":                     "",
}

// inMemory is a world with testEnv, and with testFiles in every directory.
func inMemory() world {
	files := maps.Clone(testFiles())
	return world{
		env: func(name string) (string, bool) { v, ok := testEnv[name]; return v, ok },
		read: func(path string) ([]byte, error) {
			data, ok := files[filepath.Base(path)]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(data), nil
		},
	}
}

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := parse("crossfade.yaml", []byte(text), inMemory())
	if err != nil {
		t.Fatalf("unexpected faults:\n%v", err)
	}
	return c
}
