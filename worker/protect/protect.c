/*
 * protect.c - the table of policies. Rows that no issue serves yet stand here by name, because
 * their order is the contract. x->row says which row is next, so a row may put the exchange to
 * sleep and nothing has to be kept on a stack.
 */
#include "worker/protect/protect.h"

#include "base/clock.h"
#include "worker/protect/limit.h"

static enum step_result rule_cors(struct exchange *);
static enum step_result buffer_run(struct exchange *);
static enum step_result limit_run(struct exchange *);

static const struct {
	const char *name;
	enum step_result (*run)(struct exchange *);
} rows[] = {
    {"fault", fault_run},
    {"cors", rule_cors},
    {"csrf", NULL},
    {"ext-auth", NULL},
    {"api-key", NULL},
    {"basic", NULL},
    {"oidc", NULL},
    {"jwt", NULL},
    {"request-buffer", buffer_run},
    {"authorization", NULL},
    {"rate-limit", limit_run},
    {"bandwidth", NULL},
};

enum step_result
protect_run(struct exchange *x)
{
	while (x->row < HG_ARRAY_LEN(rows)) {
		enum step_result (*run)(struct exchange *) = rows[x->row++].run;
		enum step_result r = STEP_NEXT;

		if (x->gen == NULL) /* let go while it waited */
			return exchange_refuse(x, HG_ERR_DRAINING);
		if (run)
			r = run(x);
		if (r != STEP_NEXT)
			return r;
	}
	return STEP_NEXT;
}

enum step_result
cors_run(struct exchange *x, struct im_range filters)
{
	if (x->shaped && filter_cors(&x->fctx, filters) == FILTER_ANSWER)
		return exchange_answer(x, 204);
	return STEP_NEXT;
}

static enum step_result
rule_cors(struct exchange *x)
{
	return cors_run(x, x->rule_filters);
}

/* The whole body first. It comes back here with each piece, until the end or the bound. */
static enum step_result
buffer_run(struct exchange *x)
{
	uint32_t bound = protect_policy(x)->request_buffer;

	if (bound == IM_NONE || x->head.framing == MSG_NONE)
		return STEP_NEXT;
	if (x->head.framing == MSG_LENGTH && x->head.length > bound) {
		x->close = true;
		return exchange_refuse(x, HG_ERR_BODY_TOO_LARGE);
	}
	if (x->collector == 0)
		x->collector = (int8_t)(body_cursor(&x->body, BODY_COLLECT, bound) + 1);
	if (x->collector == 0)
		return exchange_refuse(x, HG_ERR_OVERLOAD);
	if (x->body.cursors[x->collector - 1].cut) {
		x->close = true;
		return exchange_refuse(x, HG_ERR_BODY_TOO_LARGE);
	}
	if (x->req_ended)
		return STEP_NEXT;
	x->row--;
	relay_start(x);
	return STEP_WAIT;
}

static enum step_result
limit_run(struct exchange *x)
{
	const struct image *im = &x->gen->image;
	const struct im_policy *p = protect_policy(x);
	const struct im_rule *r = &im->rules[x->hit.rule];
	const struct im_listener *l = &im->listeners[x->hit.listener];
	struct limit_in in;
	enum hg_err e;

	/* Limits guard backends: a redirect costs nothing. */
	if (p->limits.n == 0 || r->backends.n == 0 || x->w->env->buckets == NULL)
		return STEP_NEXT;
	in = (struct limit_in){.im = im,
	    .regexes = &x->gen->regexes,
	    .buckets = x->w->env->buckets,
	    .arena = &x->arena,
	    .head = &x->head,
	    .path = x->path,
	    .client = &x->peer,
	    .route_key = im->routes[r->route].key,
	    .listener_key = l->key,
	    .now = clock_mono()}; /* not the turn's: all workers write one table */
	e = limit_take(&in, p->limits, &x->limit);
	x->limit_fields = l->client == IM_NONE || im->clients[l->client].ratelimit_headers;
	if (e == HG_OK)
		return STEP_NEXT;
	if (e == HG_ERR_RATE_LIMITED)
		METRIC(x->w, rate_limited, 1);
	return exchange_refuse(x, e == HG_ERR_NOMEM ? HG_ERR_OVERLOAD : e);
}

void
protect_reply(struct exchange *x, const struct msg *resp, struct msg *answer)
{
	if (x->limit.n == 0)
		return;
	if (resp)
		limit_note(&x->limit, resp);
	if (filter_room(&x->arena, &answer->fields, LIMIT_FIELDS))
		limit_fields(&x->limit, &x->arena, x->limit_fields, answer);
}

void
protect_over(struct exchange *x)
{
	if (x->limit.n == 0 || x->w->env->buckets == NULL)
		return;
	limit_settle(&x->limit, x->w->env->buckets, clock_mono());
	METRIC(x->w, limit_evictions, x->limit.evictions);
}
