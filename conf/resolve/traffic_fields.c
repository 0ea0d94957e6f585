/*
 * traffic_fields.c - a BackendTrafficPolicy's fields as records, but for rate limits and replaced
 * answers (reference/policies.md 6.2-6.6). What the schema cannot judge is an error of the field,
 * named as Envoy Gateway names it; all routes that would have had the policy answer 500.
 */
#include "base/parse.h"
#include "conf/resolve/rule.h"
#include "conf/resolve/traffic.h"
#include "shm/image.h"

bool
quantity_of(const struct k_int_or_string *q, uint64_t most, uint64_t *out)
{
	int64_t v = q->i;

	if (q->s.p != NULL && (!parse_quantity(q->s, &v) || v % 1000 != 0))
		return false;
	if (q->s.p != NULL)
		v /= 1000;
	*out = (uint64_t)v;
	return v >= 0 && (uint64_t)v <= most;
}

const char *
quantity_text(struct scope *sc, const struct k_int_or_string *q)
{
	return q->s.p != NULL ? arena_dup(sc->arena, q->s) :
				arena_printf(sc->arena, "%lld", (long long)q->i);
}

static uint32_t
bounded(const struct k_int *i)
{
	return (uint32_t)HG_MIN(HG_MAX(i->v, 0), (int64_t)IM_NONE - 1);
}

static void
unserved(struct t_compile *c, const struct node *n, const char *path)
{
	if (c->warn != NULL)
		words_addf(c->sc, &c->warn->unserved, "%s%s", path, node_position(c->sc, n));
}

/* ---- retry */
static const struct {
	const char *word;
	uint32_t triggers, grpc;
	uint16_t first, last; /* statuses */
} trigger_table[] = {
	{"5xx", IM_RETRY_CONNECT | IM_RETRY_REFUSED | IM_RETRY_BEFORE | IM_RETRY_RESET |
	    IM_RETRY_TIMEOUT, 0, 500, 599},
	{"gateway-error", IM_RETRY_TIMEOUT, 0, 502, 504},
	{"reset", IM_RETRY_REFUSED | IM_RETRY_BEFORE | IM_RETRY_RESET | IM_RETRY_TIMEOUT, 0, 0, 0},
	{"reset-before-request", IM_RETRY_BEFORE, 0, 0, 0},
	{"connect-failure", IM_RETRY_CONNECT, 0, 0, 0},
	{"retriable-4xx", 0, 0, 409, 409},
	{"refused-stream", IM_RETRY_REFUSED, 0, 0, 0},
	{"retriable-status-codes", 0, 0, 0, 0},
	{"cancelled", 0, 1u << 1, 0, 0},
	{"deadline-exceeded", 0, 1u << 4, 0, 0},
	{"resource-exhausted", 0, 1u << 8, 0, 0},
	{"internal", 0, 1u << 13, 0, 0},
	{"unavailable", 0, 1u << 14, 0, 0},
};
static const char *const default_triggers[] = {"connect-failure", "refused-stream", "unavailable",
    "cancelled", "retriable-status-codes"};

static void
retry_code(struct m_retry *m, unsigned code)
{
	m->codes[m->ncodes++] = (uint16_t)code;
}

static bool
retry_trigger(struct m_retry *m, struct bytes word)
{
	for (size_t i = 0; i < HG_ARRAY_LEN(trigger_table); i++) {
		if (!bytes_eq(word, bytes_str(trigger_table[i].word)))
			continue;
		m->triggers |= trigger_table[i].triggers;
		m->grpc |= trigger_table[i].grpc;
		for (unsigned s = trigger_table[i].first; s != 0 && s <= trigger_table[i].last; s++)
			retry_code(m, s);
	}
	return bytes_eq(word, BYTES("retriable-status-codes"));
}

static void
retry_on(struct t_compile *c, struct m_retry *m, const struct k_retry_on *on)
{
	bool listed = false;

	if (on == NULL || on->triggers.n == 0)
		for (size_t i = 0; i < HG_ARRAY_LEN(default_triggers); i++)
			listed |= retry_trigger(m, bytes_str(default_triggers[i]));
	for (uint32_t i = 0; on != NULL && i < on->triggers.n; i++)
		listed |= retry_trigger(m, on->triggers.v[i]);
	if (on == NULL || (on->triggers.n == 0 && on->codes.n == 0))
		retry_code(m, 503);
	for (uint32_t i = 0; listed && on != NULL && i < on->codes.n; i++) {
		if (on->codes.v[i].v >= 400)
			retry_code(m, (unsigned)on->codes.v[i].v);
		else
			unserved(c, on->node, arena_printf(c->sc->arena,
			    "spec.retry.retryOn.httpStatusCodes[%u]", i));
	}
}

static void
retry(struct t_compile *c, const struct k_bt_retry *k)
{
	const struct k_backoff *b = k == NULL || k->per == NULL ? NULL : k->per->backoff;
	struct m_retry *m;
	size_t room = 1200;

	if (k == NULL)
		return;
	m = arena_zalloc(c->sc->arena, sizeof(*m));
	room += k->on == NULL ? 0 : k->on->codes.n + (size_t)k->on->triggers.n * 101;
	m->codes = arena_alloc(c->sc->arena, room * sizeof(*m->codes));
	m->attempts = (uint32_t)HG_MIN(k->retries.v, 1000);
	m->full_jitter = true;
	retry_on(c, m, k->on);
	if (k->per != NULL)
		c->m->try_ms = duration_of(&k->per->timeout);
	if (b != NULL && b->base.set && b->base.ms == 0)
		words_addf(c->sc, c->errors, "Retry: baseInterval must be greater than 0.");
	if (b != NULL && b->most.set && (b->most.ms == 0 || b->most.ms < b->base.ms))
		words_addf(c->sc, c->errors, "Retry: maxInterval must be greater than 0 and not "
		    "less than baseInterval.");
	if (b != NULL) {
		m->backoff_ms = (uint32_t)HG_MIN(b->base.ms, INT32_MAX);
		m->backoff_max_ms = (uint32_t)HG_MIN(b->most.ms, INT32_MAX);
	}
	if (m->triggers & IM_RETRY_RESET || c->m->try_ms != 0)
		m->triggers |= IM_RETRY_TIMEOUT;
	c->m->retry = m;
}

/* ---- faults, buffers, codings */
static uint32_t
ppm(const struct k_number *n)
{
	double v = n->v < 0 ? 0 : n->v > 100 ? 100 : n->v;

	return (uint32_t)(v * 10000 + 0.5);
}

static void
fault(struct t_compile *c, const struct k_fault *k)
{
	struct im_policy *r = &c->m->rec;

	if (k != NULL && k->delay != NULL) {
		r->delay_ms = (uint32_t)HG_MIN(k->delay->fixed.ms, IM_NONE - 1);
		r->delay_ppm = ppm(&k->delay->percent);
	}
	if (k != NULL && k->abort != NULL) {
		r->abort_ppm = ppm(&k->abort->percent);
		if (k->abort->http.set)
			r->abort_status = (uint16_t)k->abort->http.v;
		if (k->abort->grpc.set)
			r->abort_grpc = (uint8_t)k->abort->grpc.v;
	}
}

static void
compressors(struct t_compile *c, const struct k_compressor *v, uint32_t n, bool by_type,
    const char *name)
{
	static const uint8_t bits[] = {0, IM_Z_GZIP, IM_Z_BROTLI, IM_Z_ZSTD};

	for (uint32_t i = 0; i < n; i++) {
		const void *own = v[i].type == K_Z_GZIP ? (void *)v[i].gzip :
		    v[i].type == K_Z_BROTLI             ? (void *)v[i].brotli :
							  (void *)v[i].zstd;
		uint64_t least = 30;

		if (!by_type && own == NULL)
			continue;
		if (!(bits[v[i].type] & IM_Z_SERVED)) {
			unserved(c, v[i].node,
			    arena_printf(c->sc->arena, "spec.%s[%u]", name, i));
			continue;
		}
		if (v[i].least.set && !quantity_of(&v[i].least, UINT32_MAX - 1, &least))
			words_addf(c->sc, c->errors,
			    "Compression: minContentLength value %s is out of range.",
			    quantity_text(c->sc, &v[i].least));
		if (c->m->rec.compression == 0)
			c->m->rec.compress_first = bits[v[i].type];
		c->m->rec.compression |= bits[v[i].type];
		c->m->rec.compress_min = (uint32_t)least;
	}
}

/* The list takes the place of what passes by default, also by what is in it and not served:
 * CONNECT, and h2c, which nobody upgrades to any more (RFC 9113 section 3.1). */
static void
upgrades(struct t_compile *c, const struct k_backendtrafficpolicy *k)
{
	uint32_t n = k->upgrades.n;

	c->m->rec.only_upgrades = n != 0;
	c->m->upgrades = arena_alloc(c->sc->arena, (n + 1) * sizeof(struct bytes));
	for (uint32_t i = 0; i < n; i++) {
		struct bytes type = k->upgrades.v[i].type;

		if (image_token_ok(type) && !bytes_eqi(type, BYTES("CONNECT")) &&
		    !bytes_eqi(type, BYTES("h2c")))
			c->m->upgrades[c->m->nupgrades++] = type;
		else
			unserved(c, k->upgrades.v[i].node,
			    arena_printf(c->sc->arena, "spec.httpUpgrade[%u]", i));
	}
}

static void
buffer(struct t_compile *c, const struct k_buffer *k)
{
	uint64_t n = 0;

	c->m->rec.request_buffer = IM_NONE;
	if (k == NULL)
		return;
	if (!k->limit.set || !quantity_of(&k->limit, UINT32_MAX - 1, &n))
		words_addf(c->sc, c->errors, "RequestBuffer: limit value %s is out of range.",
		    quantity_text(c->sc, &k->limit));
	c->m->rec.request_buffer = (uint32_t)n;
}

/* Floor to KiB a second, as Envoy Gateway does: what is below can never flow. */
static void
bandwidth(struct t_compile *c, const struct k_bandwidth_side *s, const char *side)
{
	static const uint32_t span[] = {1, 1, 60, 3600};
	static const char *const unit[] = {"", "Second", "Minute", "Hour"};
	uint64_t n = 0;

	if (s == NULL || s->limit == NULL)
		return;
	if (!quantity_of(&s->limit->value, UINT64_MAX >> 1, &n) ||
	    n / span[s->limit->unit] < 1024)
		words_addf(c->sc, c->errors,
		    "BandwidthLimit: %s: bandwidth limit of %llu bytes per %s is below the minimum "
		    "of 1 KiB/s.", side, (unsigned long long)n, unit[s->limit->unit]);
}

void
traffic_compile(struct t_compile *c)
{
	const struct k_backendtrafficpolicy *k = c->k;
	const struct k_meta *m = &c->patch->obj->meta;
	size_t before = c->errors->n;

	c->m->name = bytes_str(c->base == NULL ?
		arena_printf(c->sc->arena, "%.*s/%.*s", BYTES_ARG(m->ns), BYTES_ARG(m->name)) :
		arena_printf(c->sc->arena, "%.*s/%.*s+%.*s/%.*s", BYTES_ARG(m->ns),
		    BYTES_ARG(m->name), BYTES_ARG(c->base->obj->meta.ns),
		    BYTES_ARG(c->base->obj->meta.name)));
	c->m->rec.abort_grpc = 255;
	traffic_limits(c);
	traffic_balance(c);
	traffic_overrides(c);
	retry(c, k->retry);
	fault(c, k->fault);
	compressors(c, k->compression.v, k->compression.n, true, "compression");
	compressors(c, k->compressor.v, k->compressor.n, false, "compressor");
	upgrades(c, k);
	buffer(c, k->buffer);
	if (bytes_eq(k->routing, BYTES("Service")))
		unserved(c, node_get(k->node, "routingType"), "spec.routingType");
	if (k->timeout != NULL && k->timeout->http != NULL)
		c->m->request_ms = duration_of(&k->timeout->http->request);
	if (k->bandwidth != NULL) {
		bandwidth(c, k->bandwidth->request, "request");
		bandwidth(c, k->bandwidth->response, "response");
	}
	c->m->invalid = c->errors->n != before;
}

/* ---- balance: a cluster as seen through one rule */
static bool
prime(int64_t n)
{
	for (int64_t i = 2; i * i <= n; i++)
		if (n % i == 0)
			return false;
	return n > 1;
}

static void
names(struct t_compile *c, struct m_balance *b, const struct k_named *v, uint32_t n)
{
	b->hash_names = arena_alloc(c->sc->arena, (n + 1) * sizeof(struct bytes));
	for (uint32_t i = 0; i < n; i++)
		b->hash_names[b->nhash_names++] = v[i].name;
	if (n == 0 || n > 64)
		words_addf(c->sc, c->errors, "LoadBalancer: between 1 and 64 names can be hashed.");
}

static void
cookie(struct t_compile *c, struct m_balance *b, const struct k_hash_cookie *k)
{
	struct k_named one = {.name = k->name};
	char *text = arena_printf(c->sc->arena, "%s", "");

	names(c, b, &one, 1);
	if (!image_token_ok(k->name))
		words_addf(c->sc, c->errors, "LoadBalancer: %.*s is not a cookie name.",
		    BYTES_ARG(k->name));
	b->rec.cookie_ttl_s = !k->ttl.set ? IM_NONE :
	    (uint32_t)HG_MIN((k->ttl.ms + 999) / 1000, IM_NONE - 1);
	for (uint32_t i = 0; i < k->attributes.n; i++) {
		const struct k_pair *p = &k->attributes.v[i];

		if (!image_token_ok(p->key) || !image_plain_ok(p->value, 1024, false) ||
		    bytes_chr(p->value, ';', 0) >= 0)
			words_addf(c->sc, c->errors, "LoadBalancer: cookie attribute %.*s is not "
			    "possible.", BYTES_ARG(p->key));
		text = arena_printf(c->sc->arena, "%s; %.*s%s%.*s", text, BYTES_ARG(p->key),
		    p->value.n != 0 ? "=" : "", BYTES_ARG(p->value));
	}
	b->cookie_attrs = text[0] != '\0' ? bytes_str(text) : BYTES_NONE;
}

static void
hash(struct t_compile *c, struct m_balance *b, const struct k_hash *h)
{
	b->rec.table_size = (uint32_t)h->table.v;
	if (!prime(h->table.v))
		words_addf(c->sc, c->errors, "LoadBalancer: invalid TableSize value %lld.",
		    (long long)h->table.v);
	switch ((enum k_hash_type)h->type) {
	case K_HASH_IP:
		b->rec.hash = IM_HASH_SOURCE_IP;
		break;
	case K_HASH_HEADER:
	case K_HASH_HEADERS:
		b->rec.hash = IM_HASH_HEADER;
		names(c, b, h->type == K_HASH_HEADER ? h->header : h->headers.v,
		    h->type == K_HASH_HEADER ? 1 : h->headers.n);
		for (uint32_t i = 0; i < b->nhash_names; i++)
			if (!image_token_ok(b->hash_names[i]))
				words_addf(c->sc, c->errors,
				    "LoadBalancer: %.*s is not a field name.",
				    BYTES_ARG(b->hash_names[i]));
		break;
	case K_HASH_COOKIE:
		b->rec.hash = IM_HASH_COOKIE;
		cookie(c, b, h->cookie);
		break;
	case K_HASH_QUERY:
		b->rec.hash = IM_HASH_QUERY;
		names(c, b, h->query.v, h->query.n);
		break;
	}
}

static void
balancer(struct t_compile *c, struct m_balance *b, const struct k_lb *k)
{
	static const uint8_t types[] = {0, IM_LB_HASH, IM_LB_LEAST_REQUEST, IM_LB_RANDOM,
	    IM_LB_ROUND_ROBIN, IM_LB_LEAST_REQUEST, IM_LB_LEAST_REQUEST};

	if (k == NULL)
		return;
	b->rec.type = types[k->type];
	if (k->slow != NULL)
		b->rec.slow_start_ms = (uint32_t)HG_MIN(k->slow->window.ms, IM_NONE - 1);
	if (k->hash != NULL && k->type == K_LB_HASH)
		hash(c, b, k->hash);
}

static void
breaker(struct m_balance *b, const struct k_breaker *k)
{
	if (k == NULL)
		return;
	b->rec.max_connections = bounded(&k->connections);
	b->rec.max_pending = bounded(&k->pending);
	b->rec.max_parallel = bounded(&k->parallel);
	b->rec.max_retries = bounded(&k->retries);
	if (k->per_connection.set)
		b->rec.max_requests = bounded(&k->per_connection);
	if (k->endpoint != NULL)
		b->rec.endpoint_connections = bounded(&k->endpoint->connections);
	if (k->budget != NULL && k->budget->percent != NULL) {
		const struct k_budget_percent *p = k->budget->percent;

		b->rec.budget_percent = (uint32_t)(p->num.v * 10000 / HG_MAX(p->den.v, 1));
		b->rec.budget_min = k->budget->least.set ? bounded(&k->budget->least) : 3;
	}
}

static struct bytes
payload(struct t_compile *c, const struct k_payload *p)
{
	size_t n;
	unsigned char *out;

	if (p == NULL)
		return BYTES_NONE;
	if (p->binary.p == NULL)
		return p->text;
	n = p->binary.n / 4 * 3 + 3;
	out = arena_alloc(c->sc->arena, n);
	return parse_base64(p->binary, out, &n) ? bytes_of((char *)out, n) : BYTES_NONE;
}

static struct im_statusrange *
statuses(struct t_compile *c, const struct k_int *v, uint32_t n, uint32_t *out)
{
	struct im_statusrange *r = arena_alloc(c->sc->arena, (n + 1) * sizeof(*r));

	for (uint32_t i = 0; i < n; i++)
		r[i] = (struct im_statusrange){(uint16_t)v[i].v, (uint16_t)v[i].v};
	*out = n;
	return r;
}

static void
active(struct t_compile *c, struct m_health *h, const struct k_active *k)
{
	static const struct k_int ok = {200, true};
	struct im_health *r = &h->rec;

	r->type = k->http != NULL ? IM_HC_HTTP : k->tcp != NULL ? IM_HC_TCP : IM_HC_GRPC;
	r->timeout_ms = (uint32_t)HG_MIN(k->timeout.ms, IM_NONE - 1);
	r->interval_ms = (uint32_t)HG_MIN(k->interval.ms, IM_NONE - 1);
	r->jitter_ms = (uint32_t)HG_MIN(k->jitter.ms, IM_NONE - 1);
	r->unhealthy = (uint16_t)HG_MIN(k->unhealthy.v, UINT16_MAX);
	r->healthy = (uint16_t)HG_MIN(k->healthy.v, UINT16_MAX);
	r->port = k->overrides == NULL ? 0 : (uint16_t)k->overrides->port.v;
	if (r->timeout_ms == 0 || r->interval_ms == 0)
		words_addf(c->sc, c->errors, "HealthCheck: timeout and interval must be greater "
		    "than 0.");
	if (k->http != NULL) {
		const struct k_check_http *t = k->http;

		h->host = t->hostname;
		h->path = t->path;
		h->method = t->method.n != 0 ? t->method : BYTES("GET");
		h->send = payload(c, t->request);
		h->receive = payload(c, t->response);
		h->expected = statuses(c, t->expected.n != 0 ? t->expected.v : &ok,
		    t->expected.n != 0 ? t->expected.n : 1, &h->nexpected);
		h->retriable = statuses(c, t->retriable.v, t->retriable.n, &h->nretriable);
		if (!image_path_ok(h->path) || h->path.n == 0 || !image_token_ok(h->method))
			words_addf(c->sc, c->errors, "HealthCheck: path %.*s with method %.*s "
			    "cannot be asked for.", BYTES_ARG(h->path), BYTES_ARG(h->method));
	} else if (k->tcp != NULL) {
		h->send = payload(c, k->tcp->send);
		h->receive = payload(c, k->tcp->receive);
	} else if (k->grpc != NULL) {
		h->path = k->grpc->service;
	}
}

static void
passive(struct im_health *r, const struct k_passive *k)
{
	r->passive = 1;
	r->split_local = k->split.v;
	r->always_one = k->always.v;
	r->consecutive_5xx = bounded(&k->c5xx);
	r->consecutive_gateway = bounded(&k->cgateway);
	r->consecutive_local = bounded(&k->clocal);
	r->failure_percent = bounded(&k->failures);
	r->eject_interval_ms = (uint32_t)HG_MAX(HG_MIN(k->interval.ms, IM_NONE - 1), 1u);
	r->eject_base_ms = (uint32_t)HG_MIN(k->base.ms, IM_NONE - 1);
	r->eject_max_percent = bounded(&k->most);
}

static struct m_health *
health(struct t_compile *c, const struct k_health *k)
{
	struct m_health *h;

	if (k == NULL)
		return NULL;
	h = arena_zalloc(c->sc->arena, sizeof(*h));
	h->rec.panic_percent = k->panic.set ? (uint16_t)k->panic.v : 50;
	if (k->active != NULL)
		active(c, h, k->active);
	if (k->passive != NULL)
		passive(&h->rec, k->passive);
	return h;
}

static void
times(struct t_compile *c, struct m_balance *b)
{
	const struct k_backendtrafficpolicy *k = c->k;
	const struct k_bt_timeout_http *t = k->timeout == NULL ? NULL : k->timeout->http;
	uint64_t n;

	if (k->timeout != NULL && k->timeout->tcp != NULL)
		b->rec.connect_ms = duration_of(&k->timeout->tcp->connect);
	if (t != NULL) {
		b->rec.idle_ms = duration_of(&t->idle);
		b->rec.connection_max_ms = duration_of(&t->connection);
		b->rec.stream_max_ms = duration_of(&t->stream);
		b->rec.stream_idle_ms = duration_of(&t->stream_idle);
	}
	if (k->connection != NULL && k->connection->buffer.set) {
		if (!quantity_of(&k->connection->buffer, UINT32_MAX, &n))
			words_addf(c->sc, c->errors,
			    "BackendConnection: BufferLimit value %s is out of range.",
			    quantity_text(c->sc, &k->connection->buffer));
		else
			b->rec.buffer_bytes = (uint32_t)HG_MIN(n, IM_NONE - 1);
	}
	if (k->keepalive != NULL) {
		b->rec.tcp_keepalive = 1;
		b->rec.keepalive_probes = bounded(&k->keepalive->probes);
		b->rec.keepalive_idle_s = (uint32_t)HG_MIN(k->keepalive->idle.ms / 1000, 32767u);
		b->rec.keepalive_interval_s =
		    (uint32_t)HG_MIN(k->keepalive->interval.ms / 1000, 32767u);
	}
	b->rec.proxy_protocol = k->proxy == NULL ? 0 : k->proxy->version;
}

void
traffic_balance_init(struct m_balance *b)
{
	*b = (struct m_balance){.rec = {.cookie_ttl_s = IM_NONE, .buffer_bytes = IM_NONE,
	    .max_connections = IM_NONE, .max_pending = IM_NONE, .max_parallel = IM_NONE,
	    .max_retries = IM_NONE, .max_requests = IM_NONE, .endpoint_connections = IM_NONE,
	    .budget_percent = IM_NONE}};
}

void
traffic_balance(struct t_compile *c)
{
	const struct k_backendtrafficpolicy *k = c->k;
	struct m_balance *b;

	if (k->lb == NULL && k->breaker == NULL && k->health == NULL && k->timeout == NULL &&
	    k->connection == NULL && k->keepalive == NULL && k->proxy == NULL)
		return;
	b = arena_alloc(c->sc->arena, sizeof(*b));
	traffic_balance_init(b);
	balancer(c, b, k->lb);
	breaker(b, k->breaker);
	b->health = health(c, k->health);
	times(c, b);
	c->m->balance = b;
}
