/*
 * spec_tls.h - records of TLS in a generation image (issue: TLS termination). Keys are never here:
 * a certificate names its key by index in the secrets blob (shm/secrets.h), which workers read by
 * pread, one key at a time.
 */
#ifndef SHM_SPEC_TLS_H
#define SHM_SPEC_TLS_H

#include "shm/blob.h"

/* SEC(NAME, type, member), appended to IM_SECTIONS. */
#define IM_SECTIONS_TLS(SEC) \
	SEC(TLSCONF, struct im_tls, tls) \
	SEC(CERT, struct im_cert, certs) \
	SEC(CA, struct im_ca, cas) \
	SEC(CERTCHECK, struct im_certcheck, certchecks) \
	SEC(UPTLS, struct im_uptls, uptls)

enum im_clientauth { /* what the listener wants of a client's certificate */
	IM_CA_NONE, IM_CA_REQUEST, IM_CA_REQUIRE_ANY, IM_CA_VERIFY_IF_GIVEN, IM_CA_REQUIRE
};

struct im_tls { /* one a listener; equal ones are shared */
	uint64_t id[2]; /* content digest: session id context; another policy never resumes */
	struct im_range certs; /* im_cert, in the order of the manifest; the first is the default */
	struct im_str ciphers;     /* OpenSSL list for <= 1.2; absent = default */
	struct im_str ciphersuites;/* TLS 1.3 */
	struct im_str curves;      /* "X25519:P-256" */
	struct im_str sigalgs;     /* "rsa_pss_rsae_sha256:…" */
	struct im_str alpn;        /* wire format: length-prefixed names; absent = none */
	struct im_range cas;       /* im_ca: trust anchors for client certificates */
	uint16_t min_version, max_version; /* 0x0303, 0x0304 */
	uint8_t client;            /* enum im_clientauth */
	uint8_t tickets;           /* 1: session tickets */
	uint8_t crl_leaf;          /* 1: only the client's own certificate is looked up */
	uint8_t expired;           /* 1: an expired one is good */
	struct im_range crls;      /* im_ca, but CRLs; n == 0: nothing is looked up */
	struct im_range checks;    /* im_certcheck: of pins one must fit, of names one too */
};
enum im_certkind { /* pins: SHA-256 as 32 bytes; names: of the subject's alternative ones */
	IM_CC_SPKI = 1, IM_CC_HASH, IM_CC_DNS, IM_CC_EMAIL, IM_CC_IP, IM_CC_URI, IM_CC_OTHER
};
enum im_certmatch { IM_CM_EXACT = 1, IM_CM_PREFIX, IM_CM_SUFFIX, IM_CM_REGEX };
struct im_certcheck {
	struct im_str value; /* pin, text, or pattern (whole name) */
	struct im_str oid;   /* IM_CC_OTHER: dotted */
	uint8_t kind, match; /* enums above */
	uint8_t pad[6];
};
struct im_cert {
	struct im_str
	    chain; /* DER certificates, each behind a 32-bit big-endian length, leaf first */
	struct im_str ocsp;        /* DER response to staple; absent = none */
	struct im_range names;     /* im_string: DNS names of the leaf, lower case, "*.a" as ".a" */
	uint64_t id[2]; /* digest of chain and key: contexts are cached by it over generations */
	uint32_t secret;           /* record in the secrets blob */
	uint32_t type;             /* of the key: 1 RSA, 2 ECDSA, 3 Ed25519 (enum pem_key) */
	int64_t not_after;         /* unix seconds */
};
struct im_ca {
	struct im_str der;         /* one trust anchor */
	uint64_t id[2];
};
enum im_snifrom { /* where a connection's SNI comes from */
	IM_SNI_FIXED, IM_SNI_ENDPOINT, IM_SNI_HOST
};
struct im_uptls { /* towards a backend (BackendTLSPolicy, Backend.tls); im_cluster.tls */
	uint64_t id[2];            /* digest of what a context is made of: not of sni and names */
	uint64_t who[2];           /* of sni, sni_from and names */
	struct im_str sni;         /* IM_SNI_FIXED; absent = none is sent */
	/* im_string: what the certificate may be issued to, "uri:" prefix for URI SANs; n == 0: the
	 * name that the SNI is */
	struct im_range names;
	struct im_range cas;       /* im_ca, the machine's too where they are meant */
	struct im_str ciphers, ciphersuites, curves, sigalgs; /* as in im_tls */
	struct im_str alpn;        /* offers; absent = by what the cluster speaks */
	uint32_t cert; /* client certificate, im_cert; IM_NONE: the Gateway's, if it has one */
	uint16_t min_version, max_version;
	uint8_t sni_from;          /* enum im_snifrom */
	uint8_t verify;            /* 0: any certificate is good (insecureSkipVerify) */
	uint8_t pad[2];
};

#endif
