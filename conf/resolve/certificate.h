/*
 * certificate.h - references to Secrets with certificates and to CA bundles, as far as conditions
 * need them. Whether key and certificate belong together is for the TLS records of the image
 * (base/pem), not for here.
 */
#ifndef CONF_RESOLVE_CERTIFICATE_H
#define CONF_RESOLVE_CERTIFICATE_H

#include "conf/resolve/scope.h"

/* A kubernetes.io/tls Secret. Faults: REF_NOT_PERMITTED, else REF_NOT_FOUND for anything invalid.
 */
void certificate_check(struct scope *, enum kind_id from, struct bytes from_ns,
    const struct k_object_ref *, struct faults *);
/* A ConfigMap with ca.crt. Faults: REF_KIND, REF_NOT_PERMITTED, REF_NOT_FOUND. true: usable. */
bool ca_check(struct scope *, enum kind_id from, struct bytes from_ns, const struct k_object_ref *,
    struct faults *);
/* At least one well-formed CERTIFICATE block, and nothing malformed. */
bool pem_plausible(struct bytes text, const char *what);

#endif
