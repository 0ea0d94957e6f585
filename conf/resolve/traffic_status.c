/*
 * traffic_status.c - statuses of BackendTrafficPolicy and ClientTrafficPolicy: one entry an
 * ancestor, at most 16, worst first where there are more (reference/policies.md 3). A policy that
 * is not served in part says so in a Warning that names each field and its place.
 */
#include "base/mem.h"
#include "conf/resolve/status.h"
#include "conf/resolve/traffic.h"

#define MOST 16 /* of the CRD */

static const char *
listed(struct scope *sc, const char *so_far, const char *what, struct t_words *w)
{
	if (w->n == 0)
		return so_far;
	return arena_printf(sc->arena, "%s%s these %s: [%s]", so_far,
	    so_far[0] != '\0' ? " and" : "", what, words_join(sc, w, " "));
}

/* Routes that merge are told as merged, and not as overriding. */
static void
drop_merged(struct t_words *w, const struct t_words *merged)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		bool drop = false;

		for (size_t j = 0; j < merged->n; j++)
			drop = drop || bytes_eq(w->v[i], merged->v[j]) ||
			    (bytes_starts(w->v[i], merged->v[j]) &&
				w->v[i].p[merged->v[j].n] == '/');
		if (!drop)
			w->v[kept++] = w->v[i];
	}
	w->n = kept;
}

static void
overridden(struct scope *sc, const struct t_policy *p, struct t_ancestor *a)
{
	struct conds *c = &a->conds;
	bool btp = kind_is(p->obj, KIND_BACKENDTRAFFICPOLICY), of_route;
	const char *text = "";

	if (!btp) {
		if (a->listeners.n != 0)
			cond_set(c, "Overridden", COND_TRUE, "Overridden",
			    arena_printf(sc->arena, "There are existing ClientTrafficPolicies "
				"that are overriding these sections [%s]",
				words_join(sc, &a->listeners, " ")));
		return;
	}
	if (a->merged.n != 0 && a->merged.n < 1000) {
		drop_merged(&a->routes, &a->merged);
		drop_merged(&a->rules, &a->merged);
	}
	of_route = a->listeners.n + a->sets.n + a->set_listeners.n + a->routes.n == 0 &&
	    a->rules.n != 0 && bytes_chr(a->rules.v[0], '/', 0) < 0;
	text = listed(sc, text, "gateway listeners", &a->listeners);
	text = listed(sc, text, "listenersets", &a->sets);
	text = listed(sc, text, "listenerset listeners", &a->set_listeners);
	text = listed(sc, text, "routes", &a->routes);
	text = listed(sc, text, "route rules", &a->rules);
	if (a->merged.n != 0 && cond_get(c, "Merged") == NULL)
		cond_set(c, "Merged", COND_TRUE, "Merged",
		    arena_printf(sc->arena, "This policy is being merged by other "
			"backendTrafficPolicies for these routes: [%s]",
			words_join(sc, &a->merged, " ")));
	if (text[0] != '\0')
		cond_set(c, "Overridden", COND_TRUE, "Overridden",
		    arena_printf(sc->arena, "This policy is being overridden by other %s for%s",
			of_route ? "backendTrafficPolicy" : "backendTrafficPolicies", text));
}

static void
warning(struct scope *sc, struct t_policy *p, struct conds *c)
{
	const struct cond *ok = cond_get(c, COND_ACCEPTED);
	struct t_words per_node = {0};
	const struct {
		const char *reason, *before, *between;
		struct t_words *words;
	} v[] = {
		{"DeprecatedField", "", "; ", &p->deprecated},
		{"UnsupportedField", "not served by this version: ", ", ", &p->unserved},
		{"GlobalRateLimitIsPerNode", "", "", &per_node},
		{"HTTPOnlyField", "", "; ", &p->http_only},
		{"ValueAdjusted", "", "; ", &p->adjusted},
		{"SharedPort", "", "; ", &p->notes},
	};
	const char *text = "", *reason = NULL;

	if (ok == NULL || (ok->status != COND_TRUE && strcmp(ok->reason, "Invalid") != 0))
		return;
	if (p->per_node)
		words_addf(sc, &per_node, "spec.rateLimit.global is kept by each node for itself");
	for (size_t i = 0; i < HG_ARRAY_LEN(v); i++) {
		if (v[i].words->n == 0)
			continue;
		text = arena_printf(sc->arena, "%s%s%s%s", text, text[0] != '\0' ? "; " : "",
		    v[i].before, words_join(sc, v[i].words, v[i].between));
		reason = reason == NULL ? v[i].reason : "Warnings";
	}
	if (reason != NULL)
		cond_set(c, "Warning", COND_TRUE, reason, text);
}

static int
rank(const struct t_ancestor *a)
{
	if (cond_get(&a->conds, COND_ACCEPTED) != NULL && !cond_true(&a->conds, COND_ACCEPTED))
		return 0;
	return cond_true(&a->conds, "Overridden") ? 1 : 2;
}

static int
worst_first(const void *a, const void *b)
{
	const struct t_ancestor *x = a, *y = b;
	int c = rank(x) - rank(y);

	if (c == 0)
		c = bytes_cmp(x->ref.ns, y->ref.ns);
	if (c == 0)
		c = bytes_cmp(x->ref.name, y->ref.name);
	return c != 0 ? c : bytes_cmp(x->ref.section, y->ref.section);
}

static void
entry(struct status *st, const struct t_ancestor *a, bool first)
{
	struct conds c = a->conds;
	struct bytes where = bytes_str(arena_printf(st->sc->arena, "ancestors/%.*s/%.*s/%.*s/%.*s",
	    BYTES_ARG(a->ref.kind), BYTES_ARG(a->ref.ns), BYTES_ARG(a->ref.name),
	    BYTES_ARG(a->ref.section)));

	status_stale(st, &c);
	strbuf_addz(&st->out, first ? "{\"ancestorRef\":" : ",{\"ancestorRef\":");
	status_ref(&st->out, &a->ref);
	strbuf_addz(&st->out, ",\"controllerName\":\"" CONTROLLER "\",");
	status_conditions(st, where, &c, NULL, NULL);
	strbuf_addc(&st->out, '}');
}

void
traffic_status(struct status *st, struct t_policy *p)
{
	size_t n = HG_MIN(p->nanc, (size_t)MOST);

	for (size_t i = 0; i < p->nanc; i++) {
		overridden(st->sc, p, &p->anc[i]);
		warning(st->sc, p, &p->anc[i].conds);
	}
	if (p->nanc > MOST) {
		qsort(p->anc, p->nanc, sizeof(*p->anc), worst_first);
		cond_set(&p->anc[MOST - 1].conds, "Aggregated", COND_TRUE, "Aggregated",
		    "Ancestors have been truncated because the number of policy ancestors exceeds "
		    "16.");
	}
	strbuf_addz(&st->out, "{\"ancestors\":[");
	for (size_t i = 0; i < n; i++)
		entry(st, &p->anc[i], i == 0);
	status_foreign(st, "ancestors", (uint32_t)n, MOST);
	strbuf_addz(&st->out, "]}");
}
