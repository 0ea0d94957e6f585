/*
 * class.c - GatewayClasses of ours and what this version claims (reference/gateway-api.md 5.2,
 * DESIGN "Classes"). The class `headgate` exists without a file; a file may define it again.
 * `gateway_classes` names further classes whose Gateways are served although their class object
 * belongs to somebody else: such an object gets no status, as the API asks.
 */
#include "conf/resolve/scope.h"
#include "conf/resolve/feature.h"

static void
judge(struct scope *sc, struct r_class *c)
{
	const struct k_gatewayclass *k = c->obj == NULL ? NULL : c->obj->spec;

	c->accepted = k == NULL || k->parameters == NULL;
	if (c->accepted)
		cond_set(&c->conds, COND_ACCEPTED, COND_TRUE, "Accepted", "served by headgate");
	else
		cond_set(&c->conds, COND_ACCEPTED, COND_FALSE, "InvalidParameters",
		    arena_printf(sc->arena,
			"spec.parametersRef %.*s %.*s: headgate knows no parameters kind",
			BYTES_ARG(k->parameters->kind), BYTES_ARG(k->parameters->name)));
	cond_set(&c->conds, COND_SUPPORTED, COND_TRUE, "SupportedVersion",
	    "Gateway API " FEATURE_API_VERSION " is built in");
}

void
class_resolve(struct scope *sc)
{
	const struct objects *objs = sc->in.objects;
	bool defined = objects_find(objs, KIND_GATEWAYCLASS, BYTES_NONE, BYTES(CLASS_NAME)) != NULL;

	sc->classes =
	    arena_zalloc(sc->arena, (objs->count[KIND_GATEWAYCLASS] + 1) * sizeof(*sc->classes));
	if (!defined) {
		judge(sc, &sc->builtin);
		sc->classes[sc->nclasses++] = &sc->builtin;
	}
	for (const struct object *o = objs->first[KIND_GATEWAYCLASS]; o != NULL; o = o->next) {
		const struct k_gatewayclass *k = o->spec;
		struct r_class *c;

		if (!bytes_eq(k->controller, BYTES(CONTROLLER)))
			continue;
		c = arena_zalloc(sc->arena, sizeof(*c));
		c->obj = o;
		judge(sc, c);
		sc->slot[o->index] = c;
		sc->classes[sc->nclasses++] = c;
	}
}

bool
class_ours(const struct scope *sc, struct bytes class)
{
	const struct k_headgate *conf = sc->in.conf;
	const struct object *o = objects_find(sc->in.objects, KIND_GATEWAYCLASS, BYTES_NONE, class);
	const struct r_class *c;

	for (uint32_t i = 0; i < conf->gateway_classes.n; i++)
		if (bytes_eq(conf->gateway_classes.v[i], class))
			return true;
	if (o == NULL)
		return bytes_eq(class, BYTES(CLASS_NAME));
	c = sc->slot[o->index];
	return c != NULL && c->accepted;
}
