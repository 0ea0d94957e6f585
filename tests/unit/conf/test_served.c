/*
 * test_served.c - no field of BackendTrafficPolicy and Backend is ignored in silence: what is not
 * flagged as unserved stands here, with who serves it, so a new field fails this test until
 * somebody says what becomes of it. A path stands for all below it.
 */
#include "tests/unit/conf/kinds_help.h"

#include "conf/kinds/schema.h"

struct row {
	const char *path, *by;
};
static const struct row btp[] = {
    {"targetRef", "conf/resolve/traffic.c"},
    {"targetRefs", "conf/resolve/traffic.c"},
    {"targetSelectors", "conf/resolve/traffic.c"},
    {"mergeType", "conf/resolve/traffic_merge.c"},
    /* fromMetadata is flagged; other metadata than ours is named by traffic_limit.c */
    {"rateLimit", "worker/protect/limit.c"},
    {"loadBalancer.type", "worker/upstream/balance.c"},
    {"loadBalancer.consistentHash.type", "worker/upstream/lbhash.c"},
    {"loadBalancer.consistentHash.header", "worker/upstream/lbhash.c"},
    {"loadBalancer.consistentHash.headers", "worker/upstream/lbhash.c"},
    {"loadBalancer.consistentHash.cookie", "worker/upstream/lbhash.c"},
    {"loadBalancer.consistentHash.queryParams", "worker/upstream/lbhash.c"},
    /* judged (a prime), and without effect: there is no table */
    {"loadBalancer.consistentHash.tableSize", "conf/resolve/traffic_fields.c"},
    {"loadBalancer.slowStart", "worker/upstream/members.c"},
    {"healthCheck.active", "helper/check.c"},
    {"healthCheck.passive", "worker/upstream/outlier.c"},
    {"healthCheck.panicThreshold", "worker/upstream/members.c"},
    {"circuitBreaker.maxConnections", "worker/upstream/breaker.c"},
    {"circuitBreaker.maxPendingRequests", "worker/upstream/breaker.c"},
    {"circuitBreaker.maxParallelRequests", "worker/upstream/breaker.c"},
    {"circuitBreaker.maxParallelRetries", "worker/upstream/breaker.c"},
    {"circuitBreaker.maxRequestsPerConnection", "worker/upstream/upool.c"},
    {"circuitBreaker.perEndpoint", "worker/upstream/members.c"},
    {"circuitBreaker.retryBudget", "worker/upstream/breaker.c"},
    /* codes below 400 are named by traffic_fields.c */
    {"retry.numRetries", "worker/retry.c"},
    {"retry.retryOn", "worker/retry.c"},
    {"retry.perRetry", "worker/retry.c"},
    {"timeout.tcp.connectTimeout", "worker/attempt.c"},
    {"timeout.http.connectionIdleTimeout", "worker/upstream/upool.c"},
    {"timeout.http.maxConnectionDuration", "worker/upstream/upool.c"},
    {"timeout.http.requestTimeout", "worker/steps.c"},
    {"timeout.http.maxStreamDuration", "worker/traffic.c"},
    {"timeout.http.streamIdleTimeout", "worker/traffic.c"},
    {"connection.bufferLimit", "worker/traffic.c"},
    {"tcpKeepalive", "worker/traffic.c"},
    {"proxyProtocol", "worker/upstream/upool.c, worker/l4/flow.c"},
    /* CONNECT and h2c are named by traffic_fields.c */
    {"httpUpgrade", "worker/tunnel.c"},
    {"requestBuffer", "worker/protect/protect.c"},
    /* codings that the build lacks are named by traffic_fields.c */
    {"compression", "worker/protect/compress.c"},
    {"compressor", "worker/protect/compress.c"},
    {"faultInjection", "worker/protect/fault.c"},
    {"responseOverride", "worker/protect/override.c"},
    /* "Service" is named by traffic_fields.c: there is no address of a Service */
    {"routingType", "conf/resolve/traffic_fields.c"},
};
static const struct row backend[] = {
    /* DynamicResolver is refused by extern.c */
    {"type", "conf/resolve/extern.c"},
    {"endpoints.fqdn", "worker/upstream/dns.c"},
    {"endpoints.ip", "worker/upstream/members.c"},
    {"endpoints.unix", "worker/upstream/members.c"},
    {"endpoints.hostname", "helper/health.c"},
    {"appProtocols", "conf/resolve/extern.c"},
    {"fallback", "worker/upstream/pick.c"},
    {"tls", "conf/resolve/uptls.c"},
};

struct look {
	const struct row *rows;
	size_t n;
	bool met[64];
	unsigned faults;
};

static bool
listed(struct look *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t n = strlen(l->rows[i].path);

		if (strncmp(path, l->rows[i].path, n) == 0 && (path[n] == '\0' || path[n] == '.'))
			return l->met[i] = true;
	}
	return false;
}

static void
walk(struct look *l, const struct kstruct *s, const char *path)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct kfield *f = &s->fields[i];
		char at[512];

		(void)snprintf(at, sizeof(at), "%s%s%s", path, path[0] ? "." : "", f->name);
		if (f->flags & FF_NOT_SERVED)
			continue;
		if (f->sub != NULL && f->sub->n != 0 && !listed(l, at)) {
			walk(l, f->sub, at);
		} else if (!listed(l, at)) {
			print_message("%s: neither flagged nor in the table\n", at);
			l->faults++;
		}
	}
}

static void
check(enum kind_id kind, const struct row *rows, size_t n)
{
	struct look l = {.rows = rows, .n = n};

	assert_true(n <= HG_ARRAY_LEN(l.met));
	walk(&l, kind_by_id(kind)->spec, "");
	for (size_t i = 0; i < n; i++)
		if (!l.met[i]) {
			print_message("%s: no such field, or flagged\n", rows[i].path);
			l.faults++;
		}
	assert_int_equal(l.faults, 0);
}

static void
test_backendtrafficpolicy(void **state)
{
	(void)state;
	check(KIND_BACKENDTRAFFICPOLICY, btp, HG_ARRAY_LEN(btp));
}

static void
test_backend(void **state)
{
	(void)state;
	check(KIND_BACKEND, backend, HG_ARRAY_LEN(backend));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_backendtrafficpolicy), cmocka_unit_test(test_backend)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
