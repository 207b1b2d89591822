package dbserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is long against any run and short against forgetting one.
const certificateLife = 30 * 24 * time.Hour

// writeCertificates makes a certificate authority and the certificate of a
// server that is called localhost or 127.0.0.1. The authority's key is forgotten.
func writeCertificates(h home) error {
	if err := os.Mkdir(h.tls(), 0o755); err != nil {
		return fmt.Errorf("make the certificate directory: %w", err)
	}
	authority, authorityKey, err := issue(certificate("Crossfade throw-away authority"), nil, nil)
	if err != nil {
		return err
	}
	request := certificate("localhost")
	request.DNSNames, request.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	server, serverKey, err := issue(request, authority, authorityKey)
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return fmt.Errorf("encode the server's key: %w", err)
	}
	files := []struct {
		path, kind string
		content    []byte
	}{
		{h.authority(), "CERTIFICATE", authority.Raw},
		{filepath.Join(h.tls(), "server.pem"), "CERTIFICATE", server.Raw},
		{filepath.Join(h.tls(), "server.key"), "PRIVATE KEY", key},
	}
	for _, file := range files {
		block := pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.content})
		if err := h.write(file.path, block); err != nil {
			return err
		}
	}
	return nil
}

func certificate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.Add(certificateLife),
	}
}

// issue signs request with the parent's key, or with its own as an authority
// where there is no parent.
func issue(request, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	request.BasicConstraintsValid = true
	request.KeyUsage, request.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if parent == nil {
		request.IsCA, request.KeyUsage, request.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
		parent, parentKey = request, key
	}
	encoded, err := x509.CreateCertificate(rand.Reader, request, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	signed, err := x509.ParseCertificate(encoded)
	if err != nil {
		return nil, nil, fmt.Errorf("read the signed certificate: %w", err)
	}
	return signed, key, nil
}
