/*
 * gateway.c - Gateways of our classes, oldest first, and their own conditions
 * (reference/gateway-api.md 5.2, 5.18, section 6). A Gateway of another class gets nothing from us,
 * not even Accepted=Unknown.
 *
 * Programmed stays True when a listener speaks a protocol that this version does not serve: that
 * listener says so itself, and a Gateway with an HTTPS listener beside an HTTP one must not look
 * dead as a whole.
 */
#include "conf/resolve/scope.h"
#include "conf/resolve/certificate.h"

static int
by_age(const void *a, const void *b, void *arg)
{
	const struct r_gateway *const *x = a, *const *y = b;

	return object_cmp_age(arg, (*x)->obj, (*y)->obj);
}

static void
begin(struct scope *sc, const struct object *o)
{
	struct r_gateway *gw = arena_zalloc(sc->arena, sizeof(*gw));
	const struct k_gateway *k = o->spec;

	gw->obj = o;
	gw->k = k;
	gw->index = -1;
	sc->slot[o->index] = gw;
	sc->gateways[sc->ngateways++] = gw;
	if (k->infrastructure != NULL && k->infrastructure->parameters != NULL) {
		const struct k_object_ref *r = k->infrastructure->parameters;

		gw->refused = "InvalidParameters";
		gw->why = arena_printf(sc->arena,
		    "spec.infrastructure.parametersRef: headgate knows no "
		    "parameters kind, so %.*s %.*s cannot be used",
		    BYTES_ARG(r->kind), BYTES_ARG(r->name));
	}
}

void
gateway_resolve(struct scope *sc)
{
	sc->gateways = arena_zalloc(
	    sc->arena, (sc->in.objects->count[KIND_GATEWAY] +
		2 * sc->in.objects->count[KIND_SERVICE] + 1) * sizeof(*sc->gateways));
	for (const struct object *o = sc->in.objects->first[KIND_GATEWAY]; o != NULL; o = o->next)
		if (class_ours(sc, ((const struct k_gateway *)o->spec)->class))
			begin(sc, o);
	qsort_r(sc->gateways, sc->ngateways, sizeof(*sc->gateways), by_age, sc);
	for (uint32_t i = 0; i < sc->ngateways; i++)
		listener_resolve(sc, sc->gateways[i], NULL);
}

static void
set_accepted(struct scope *sc, struct r_gateway *gw)
{
	uint32_t good = 0;

	for (uint32_t i = 0; i < gw->nown; i++)
		good += gw->own[i].accepted;
	if (gw->refused != NULL)
		cond_set(&gw->conds, COND_ACCEPTED, COND_FALSE, gw->refused, gw->why);
	else if (good == 0 && gw->nown != 0)
		cond_set(&gw->conds, COND_ACCEPTED, COND_FALSE, "ListenersNotValid",
		    "no listener is accepted");
	else if (good != gw->nown)
		cond_set(&gw->conds, COND_ACCEPTED, COND_TRUE, "ListenersNotValid",
		    arena_printf(sc->arena, "%u of %u listeners are not accepted", gw->nown - good,
			gw->nown));
	else
		cond_set(&gw->conds, COND_ACCEPTED, COND_TRUE, "Accepted", "accepted");
}

static const char *
unusable(struct scope *sc, const struct r_gateway *gw)
{
	char text[46];

	for (uint32_t i = 0; i < gw->naddrs; i++) {
		const struct r_address *a = &gw->addrs[i];

		if (a->bound == 0 && a->absent != 0 && !a->implied) {
			addr_print_ip(&a->addr, text);
			return arena_printf(sc->arena, "%s is not an address of this node", text);
		}
	}
	return NULL;
}

static void
set_programmed(struct scope *sc, struct r_gateway *gw)
{
	const char *bad = unusable(sc, gw), *unserved = NULL, *broken = NULL;
	bool some = false;

	for (uint32_t i = 0; i < gw->nown; i++) {
		const struct r_listener *l = &gw->own[i];

		some = some || cond_true(&l->conds, COND_PROGRAMMED);
		if (l->unserved != NULL && l->accepted)
			unserved = arena_printf(
			    sc->arena, "listener %.*s: %s", BYTES_ARG(l->k->name), l->unserved);
		else if (!cond_true(&l->conds, COND_PROGRAMMED))
			broken = cond_get(&l->conds, COND_PROGRAMMED)->message;
	}
	if (!gw->accepted)
		cond_set(&gw->conds, COND_PROGRAMMED, COND_FALSE, "Invalid",
		    "the Gateway is not accepted");
	else if (gw->naddrs == 0)
		cond_set(&gw->conds, COND_PROGRAMMED, COND_FALSE, "AddressNotAssigned",
		    gw->unmet != NULL ? gw->unmet : "no address is left for it");
	else if (bad != NULL)
		cond_set(&gw->conds, COND_PROGRAMMED, COND_FALSE, "AddressNotUsable", bad);
	else if (!some && broken != NULL && gw->attached_sets == 0)
		cond_set(&gw->conds, COND_PROGRAMMED, COND_FALSE, "Invalid", broken);
	else
		cond_set(&gw->conds, COND_PROGRAMMED, COND_TRUE, "Programmed",
		    unserved != NULL ? unserved : "programmed");
}

static void
set_addresses(struct r_gateway *gw)
{
	if (gw->unmet == NULL && gw->naddrs != 0)
		cond_set(&gw->conds, COND_ADDRESSES, COND_TRUE, "AddressesAssigned",
		    "all addresses are assigned");
	else
		cond_set(&gw->conds, COND_ADDRESSES, COND_FALSE,
		    gw->naddrs == 0 ? "NotAssigned" : "PartiallyAssigned",
		    gw->unmet != NULL ? gw->unmet : "no address is left for it");
}

/* Problems of single listeners are theirs: here only what the Gateway itself refers to. */
static void
set_refs(struct scope *sc, struct r_gateway *gw)
{
	const struct k_gateway_tls *tls = gw->k->tls;
	struct faults f = {REF_OK, NULL};

	sc->quiet = gw->obj->stale;
	if (tls != NULL && tls->backend != NULL && tls->backend->certificate != NULL)
		gw->shown = certificate_get(
		    sc, KIND_GATEWAY, gw->obj->meta.ns, tls->backend->certificate, &f);
	sc->quiet = false;
	if (f.worst == REF_OK)
		cond_set(&gw->conds, COND_RESOLVED, COND_TRUE, "ResolvedRefs",
		    "all references are resolved");
	else
		cond_set(&gw->conds, COND_RESOLVED, COND_FALSE,
		    f.worst == REF_NOT_PERMITTED ? "RefNotPermitted" :
						   "InvalidClientCertificateRef",
		    f.text->p);
}

static bool
insecure(const struct k_frontend_tls *t)
{
	return t != NULL && t->validation != NULL && t->validation->mode == K_INSECURE_FALLBACK;
}

static void
set_insecure(struct r_gateway *gw)
{
	const struct k_gateway_frontend *f = gw->k->tls == NULL ? NULL : gw->k->tls->frontend;
	bool on = f != NULL && insecure(f->def);

	for (uint32_t i = 0; f != NULL && i < f->ports.n; i++)
		on = on || insecure(f->ports.v[i].tls);
	if (on)
		cond_set(&gw->conds, COND_INSECURE, COND_TRUE, "ConfigurationChanged",
		    "AllowInsecureFallback accepts clients without a valid certificate");
}

void
gateway_programmed(struct scope *sc)
{
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		struct r_gateway *gw = sc->gateways[i];

		for (uint32_t j = 0; j < gw->nown; j++)
			listener_programmed(sc, &gw->own[j]);
		for (size_t j = 0; j < gw->nsets; j++)
			gw->attached_sets += gw->sets[j]->accepted && gw->refused == NULL;
		set_accepted(sc, gw);
		set_programmed(sc, gw);
		set_refs(sc, gw);
		set_addresses(gw);
		set_insecure(gw);
	}
	listenerset_programmed(sc);
}
