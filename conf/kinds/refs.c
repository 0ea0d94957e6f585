/*
 * refs.c - rules between objects that v1.6 files need. A reference to an XBackend had a port in
 * v1.6 and has none in v1.7; where it repeats the XBackend's own port it is harmless (the binder
 * has warned), where it says another one nobody could tell which is meant. Only a walk over the
 * bound tables finds all the places where a backendRef can be.
 */
#include "conf/kinds/k_policy.h"
#include "conf/kinds/load.h"
#include "conf/kinds/table.h"

struct any_list {
	const char *v;
	uint32_t n;
};

struct walk {
	const struct objects *objects;
	const struct object *object;
	struct diags *d;
	bool bad;
};

static bool
is_backend(const struct kstruct *s)
{
	return s == &ks_backend_object_ref || s == &ks_l4_backend_ref ||
	    s == &ks_http_backend_ref ||
	    s == &ks_grpc_backend_ref;
}

static void
check_ref(struct walk *w, const struct k_backend_ref *b)
{
	const struct object *o;
	const struct k_xbackend *x;

	if (!b->port.set || !bytes_eq(b->kind, BYTES("XBackend")) ||
	    !bytes_eq(b->group, BYTES("gateway.networking.x-k8s.io")))
		return;
	o = objects_find(w->objects, KIND_XBACKEND, w->object->meta.ns, b->name);
	x = o ? o->spec : NULL;
	if (!x || x->port->number.v == b->port.v)
		return;
	diag_at(w->d, CODE_RULE, rule_child(b->node, "port"),
	    "a reference to an XBackend has no port, and this is not that of \"%.*s\" (%lld)",
	    BYTES_ARG(b->name),
	    (long long)x->port->number.v);
	w->bad = true;
}

static void
walk_struct(struct walk *w, const struct kstruct *s, const char *base)
{
	if (is_backend(s))
		check_ref(w, (const struct k_backend_ref *)(const void *)base);
	for (unsigned i = 0; i < s->n; i++) {
		const struct kfield *f = &s->fields[i];
		const void *slot = base + f->off;

		if (f->type == FT_STRUCT) {
			const char *sub;

			memcpy(&sub, slot, sizeof(sub));
			if (sub)
				walk_struct(w, f->sub, sub);
		} else if (f->type == FT_LIST) {
			const struct any_list *l = slot;

			for (uint32_t k = 0; k < l->n; k++)
				walk_struct(w, f->sub, l->v + k * f->sub->size);
		}
	}
}

bool
refs_good(const struct objects *os, const struct object *o, struct diags *d)
{
	ptrdiff_t slash = bytes_chr(o->api_version, '/', 0);
	struct bytes version = bytes_of(o->api_version.p + slash + 1,
	    o->api_version.n - (size_t)(slash + 1));
	struct walk w = {os, o, d, false};

	if (os->count[KIND_XBACKEND] > 0 && !o->kind->spec_at_root)
		walk_struct(&w, kind_spec(o->kind, version), o->spec);
	return !w.bad;
}
