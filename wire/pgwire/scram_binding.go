package pgwire

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
)

// CertHash is the tls-server-end-point channel binding of a certificate (RFC
// 5929 section 4.1): the certificate, hashed as its signature hashes, but with
// SHA-256 in place of MD5 and SHA-1. It is false where the signature algorithm
// defines no single hash (Ed25519, and whatever crypto/x509 does not know);
// there a client says "n" and a server does not offer SCRAM-SHA-256-PLUS.
func CertHash(cert *x509.Certificate) ([]byte, bool) {
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.DSAWithSHA256, x509.ECDSAWithSHA256:
		sum := sha256.Sum256(cert.Raw)
		return sum[:], true
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		sum := sha512.Sum384(cert.Raw)
		return sum[:], true
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		sum := sha512.Sum512(cert.Raw)
		return sum[:], true
	case x509.UnknownSignatureAlgorithm, x509.MD2WithRSA, x509.PureEd25519:
		return nil, false
	default:
		return nil, false
	}
}
