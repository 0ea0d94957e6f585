/*
 * certificate.c - are certificate and CA references right (reference/gateway-api.md 5.3, 5.15)?
 * Kind first, then grant, then existence: a missing object in a namespace that did not permit the
 * reference must not show.
 */
#include "conf/resolve/certificate.h"

#include "base/mem.h"
#include "base/parse.h"
#include "conf/kinds/k_core.h"

#define PEM_MAX (1u << 20)

/* Base64 with line ends, one DER SEQUENCE that fills it. */
static bool
der(struct bytes body)
{
	char *flat = mem_alloc(body.n + 1);
	unsigned char *out = mem_alloc(body.n + 4);
	size_t n = 0, len = 0, head;
	bool ok;

	for (size_t i = 0; i < body.n; i++)
		if (body.p[i] != '\n' && body.p[i] != '\r' && body.p[i] != ' ' && body.p[i] != '\t')
			flat[n++] = body.p[i];
	ok = n >= 4 && parse_base64(bytes_of(flat, n), out, &len) && len > 4 && out[0] == 0x30;
	if (ok && out[1] < 0x80) {
		ok = len == 2u + out[1];
	} else if (ok) {
		size_t width = out[1] & 0x7f, value = 0;

		head = 2 + width;
		ok = width >= 1 && width <= 3 && len > head;
		for (size_t i = 0; ok && i < width; i++)
			value = value << 8 | out[2 + i];
		ok = ok && len == head + value;
	}
	mem_free(flat);
	mem_wipe(out, body.n + 4);
	mem_free(out);
	return ok;
}

static const char *
search(const char *from, const char *end, const char *what)
{
	return from >= end ? NULL : memmem(from, (size_t)(end - from), what, strlen(what));
}

bool
pem_plausible(struct bytes text, const char *what)
{
	const char *end = text.p + text.n, *at = text.p;
	bool some = false;

	if (text.p == NULL || text.n > PEM_MAX)
		return false;
	for (;;) {
		const char *begin = search(at, end, "-----BEGIN "), *dash, *stop;

		if (begin == NULL)
			return some;
		begin += 11;
		dash = search(begin, end, "-----");
		stop = dash == NULL ? NULL : search(dash + 5, end, "-----END ");
		if (stop == NULL)
			return false;
		if (bytes_ends(bytes_of(begin, (size_t)(dash - begin)), bytes_str(what))) {
			if (!der(bytes_of(dash + 5, (size_t)(stop - dash) - 5)))
				return false;
			some = true;
		}
		at = stop + 9;
	}
}

static struct bytes
secret_value(struct scope *sc, const struct k_secret *s, struct bytes key)
{
	struct bytes v, text;
	size_t n;

	if (map_pair(&s->string_data, key, &v))
		return v;
	if (!map_pair(&s->data, key, &v) || v.n > PEM_MAX * 2)
		return BYTES_NONE;
	text.p = arena_alloc(sc->arena, v.n + 4);
	if (!parse_base64(v, (unsigned char *)(uintptr_t)text.p, &n))
		return BYTES_NONE;
	text.n = n;
	return text;
}

void
certificate_check(struct scope *sc, enum kind_id from, struct bytes from_ns,
    const struct k_object_ref *r, struct faults *f)
{
	struct bytes ns = r->ns.n != 0 ? r->ns : from_ns;
	const struct object *o;

	if (r->group.n != 0 || !bytes_eq(r->kind, BYTES("Secret"))) {
		fault_add(sc, f, REF_NOT_FOUND, r->node,
		    "%.*s %.*s cannot be a certificate, only a Secret can", BYTES_ARG(r->kind),
		    BYTES_ARG(r->name));
		return;
	}
	if (!grant_allows(sc, from, from_ns, r->group, r->kind, ns, r->name)) {
		fault_add(sc, f, REF_NOT_PERMITTED, r->node,
		    "no ReferenceGrant in %.*s permits Secret %.*s", BYTES_ARG(ns),
		    BYTES_ARG(r->name));
		return;
	}
	o = objects_find(sc->in.objects, KIND_SECRET, ns, r->name);
	if (o == NULL)
		fault_add(sc, f, REF_NOT_FOUND, r->node, "Secret %.*s/%.*s does not exist",
		    BYTES_ARG(ns), BYTES_ARG(r->name));
	else if (!pem_plausible(secret_value(sc, o->spec, BYTES("tls.crt")), "CERTIFICATE"))
		fault_add(sc, f, REF_NOT_FOUND, r->node,
		    "Secret %.*s/%.*s has no certificate in tls.crt", BYTES_ARG(ns),
		    BYTES_ARG(r->name));
	else if (!pem_plausible(secret_value(sc, o->spec, BYTES("tls.key")), "PRIVATE KEY"))
		fault_add(sc, f, REF_NOT_FOUND, r->node,
		    "Secret %.*s/%.*s has no private key in tls.key", BYTES_ARG(ns),
		    BYTES_ARG(r->name));
}

bool
ca_check(struct scope *sc, enum kind_id from, struct bytes from_ns, const struct k_object_ref *r,
    struct faults *f)
{
	struct bytes ns = r->ns.n != 0 ? r->ns : from_ns, text = BYTES_NONE;
	const struct object *o;

	if (r->group.n != 0 || !bytes_eq(r->kind, BYTES("ConfigMap"))) {
		fault_add(sc, f, REF_KIND, r->node,
		    "%.*s %.*s cannot be a CA bundle, only a ConfigMap can", BYTES_ARG(r->kind),
		    BYTES_ARG(r->name));
		return false;
	}
	if (!grant_allows(sc, from, from_ns, r->group, r->kind, ns, r->name)) {
		fault_add(sc, f, REF_NOT_PERMITTED, r->node,
		    "no ReferenceGrant in %.*s permits ConfigMap %.*s", BYTES_ARG(ns),
		    BYTES_ARG(r->name));
		return false;
	}
	o = objects_find(sc->in.objects, KIND_CONFIGMAP, ns, r->name);
	if (o != NULL)
		map_pair(&((const struct k_configmap *)o->spec)->data, BYTES("ca.crt"), &text);
	if (pem_plausible(text, "CERTIFICATE"))
		return true;
	if (o == NULL)
		fault_add(sc, f, REF_NOT_FOUND, r->node, "ConfigMap %.*s/%.*s does not exist",
		    BYTES_ARG(ns), BYTES_ARG(r->name));
	else
		fault_add(sc, f, REF_NOT_FOUND, r->node,
		    "ConfigMap %.*s/%.*s has no certificates in ca.crt", BYTES_ARG(ns),
		    BYTES_ARG(r->name));
	return false;
}
