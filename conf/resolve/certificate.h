/*
 * certificate.h - references to certificates (Secrets of type kubernetes.io/tls, or files) and to
 * CA bundles: what is wrong with them, and their DER for the model. A Secret that is no longer
 * usable keeps its last good content, and says so.
 */
#ifndef CONF_RESOLVE_CERTIFICATE_H
#define CONF_RESOLVE_CERTIFICATE_H

#include "conf/resolve/scope.h"

/* A file of PEM: certificates and key. Flat: relative to a path of -f. With roles: relative to the
 * folder of the role (of the namespace, in routes.d), or, but from routes.d, in file_roots. */
#define CERTIFICATE_GROUP "gateway.headgate.dev"
#define CERTIFICATE_FILE "File"

struct r_secret { /* what became of a Secret that a reference named */
	struct m_cert *cert;      /* NULL: not usable */
	const char *why;          /* what is wrong with its present content, or NULL */
	struct bytes kept;        /* last good content (JSON) that is served instead */
};

/* Faults: REF_NOT_PERMITTED, else REF_NOT_FOUND for anything invalid; also where last good content
 * is served. NULL: nothing can be served. */
struct m_cert *certificate_get(struct scope *, enum kind_id from, struct bytes from_ns,
    const struct k_object_ref *, struct faults *);
/* NULL with *why; with a certificate and *why its dates are wrong. `known`: found good before. */
struct m_cert *certificate_new(struct scope *, struct bytes crt, struct bytes key,
    struct bytes ocsp, bool known, const char **why);
/* Tells of what is left out. */
void certificate_warn(struct scope *, const struct m_cert *, const struct node *);
/* certfile.c: a reference to a file, and what is remembered of all of them. */
struct m_cert *certfile_get(struct scope *, enum kind_id from, struct bytes from_ns,
    const struct k_object_ref *, struct faults *);
void certfile_record(const struct scope *, struct blob_writer *);
/* NULL: no reference named it. */
const struct r_secret *certificate_secret(const struct scope *, const struct object *);

/* ConfigMaps and Secrets with ca.crt. Faults: REF_KIND, REF_NOT_PERMITTED, REF_NOT_FOUND. */
struct cas {
	struct bytes *v; /* DER */
	size_t n, cap;
};
/* true: usable. out may be NULL. */
bool ca_get(struct scope *, enum kind_id from, struct bytes from_ns, const struct k_object_ref *,
    struct faults *, struct cas *out);
/* The same with ca.crl: revoked certificates. */
bool crl_get(struct scope *, enum kind_id from, struct bytes from_ns, const struct k_object_ref *,
    struct faults *, struct cas *out);

#endif
