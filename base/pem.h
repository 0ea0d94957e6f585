/*
 * pem.h - PEM as certificates and keys come in Secrets and files, to DER and to what the gateway
 * wants to know of it. Compiler child and CLI. Nothing is written to OpenSSL's error queue that a
 * caller would have to clear. Everything is allocated in the arena; key bytes too, which is the
 * compiler's to forget (it exits).
 */
#ifndef BASE_PEM_H
#define BASE_PEM_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"

#define PEM_MAX (1u << 20) /* bytes of text */

enum pem_key { PEM_RSA = 1, PEM_EC, PEM_ED25519, PEM_OTHER };
struct pem_cert {
	/* DER, each certificate behind a 32-bit big-endian length: the leaf, then its issuers */
	struct bytes chain;
	struct bytes key;          /* DER: PKCS#8 or traditional */
	struct bytes *names;       /* DNS names of the leaf, lower case, "*.a" as ".a" */
	uint32_t nnames;
	uint64_t id[2];            /* of chain and key */
	int64_t not_before, not_after; /* unix seconds, of the leaf */
	uint8_t type;              /* enum pem_key */
};

/* Why it cannot be used (static text), or NULL. `known`: this very text was good before, so the
 * costly question, whether key and certificate belong together, need not be asked again. */
const char *pem_certificate(
    struct arena *, struct bytes certs, struct bytes key, bool known, struct pem_cert *out);

/* All certificates of a bundle as DER: how many, 0 with *why. */
uint32_t pem_bundle(struct arena *, struct bytes text, struct bytes **ders, const char **why);

/* The same for lists of revoked certificates. */
uint32_t pem_crls(struct arena *, struct bytes text, struct bytes **ders, const char **why);

/* Is this DER a successful OCSP response? */
bool pem_ocsp(struct bytes der);

/* A digest for content (SHA-256, cut). */
void pem_digest(uint64_t id[2], const struct bytes *v, unsigned n);

#endif
