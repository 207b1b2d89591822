package configs

import (
	"crypto/tls"
	"crypto/x509"
)

func (k *checker) listenerTLS(t *ListenerTLS, path string) {
	k.pair(t.Cert, t.Key, path)
	k.authorities(t.ClientCA, path+".client_ca")
	off := t.Mode == ListenerTLSDisable
	if !off && t.Mode != "" && t.Cert == "" {
		k.add(path+".mode", "%s needs cert and key", t.Mode)
	}
	if off && t.ClientCA != "" {
		k.add(path+".client_ca", "has no use while tls is disabled: give cert and key, or mode prefer or require")
	}
}

func (k *checker) serverTLS(s *Server, path string) {
	k.pair(s.TLS.Cert, s.TLS.Key, path)
	k.authorities(s.TLS.CA, path+".ca")
	off := s.TLS.Mode == ServerTLSDisable
	if !off && s.TLS.Mode != "" && s.Address.Socket() {
		k.add(path+".mode", "a socket has no tls: write disable or nothing")
	}
	if off && (s.TLS.CA != "" || s.TLS.Cert != "") {
		k.add(path, "certificates are given while mode is disable, which is the default on loopback and sockets: write the mode")
	}
}

// pair checks that a certificate and its key are both there or neither, and
// that they belong to each other.
func (k *checker) pair(cert, key Path, path string) {
	switch {
	case cert == "" && key == "":
		return
	case key == "":
		k.add(path+".cert", "needs its key beside it")
		return
	case cert == "":
		k.add(path+".key", "needs its cert beside it")
		return
	}
	certPEM, certOK := k.file(cert, path+".cert")
	keyPEM, keyOK := k.file(key, path+".key")
	if !certOK || !keyOK {
		return
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		k.add(path+".cert", "cert and key do not load: %v", err)
	}
}

func (k *checker) authorities(ca Path, path string) {
	if ca == "" {
		return
	}
	pem, ok := k.file(ca, path)
	if ok && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		k.add(path, "%s has no PEM certificate", ca)
	}
}

func (k *checker) file(p Path, path string) ([]byte, bool) {
	data, err := k.read(string(p))
	if err != nil {
		k.add(path, "read file: %v", err)
	}
	return data, err == nil
}
