/*
 * What is expected of a backend: equal content is one object over generations, everything that
 * matters makes another, what cannot be made is refused with a reason, and all of it is bounded.
 * Images and secrets are the builder's.
 */
#include "tests/unit/worker/fake.h"

#include <unistd.h>

#include "base/pem.h"
#include "conf/build/build.h"
#include "tests/unit/conf/pem.h"
#include "worker/upstream/uptls.h"

static struct arena arena;
static struct image im;
static int fd = -1, secrets_fd = -1;
static struct tls_env *env;
static struct uptls_store *store;
static struct m_cert cert;
static struct m_cas cas;

static void
drop(void)
{
	if (fd < 0)
		return;
	image_close(&im);
	close(fd);
	if (secrets_fd >= 0)
		close(secrets_fd);
	fd = secrets_fd = -1;
}

/* A generation with one cluster a TLS; im_uptls of the i-th is returned by of(). */
static void
generation(struct m_uptls *v, uint32_t n)
{
	struct m_cluster clusters[8], *at[8];
	struct m_gateway gateway = {.ns = BYTES("infra"), .name = BYTES("gw"), .cert = &cert};
	struct model m = {.arena = &arena, .generation = 1, .gateways = &gateway, .ngateways = 1,
	    .clusters = at, .nclusters = n};
	struct blob_writer *image, *secrets;
	struct build_stats stats;
	char why[128] = "";
	uint64_t pos = 0;

	drop();
#define LIM(m_, def, lo, hi, unit, doc) m.settings.m_ = def;
	IM_LIMITS(LIM)
#undef LIM
	cert.index = cas.index = 0;
	for (uint32_t i = 0; i < n; i++) {
		clusters[i] = (struct m_cluster){.name = BYTES("ns/a:1"), .dns_slot = IM_NONE,
		    .proto = IM_UP_H1, .id = i + 1, .tls = &v[i]};
		at[i] = &clusters[i];
	}
	assert_int_equal(build_all(&m, &image, &secrets, &stats), HG_OK);
	fd = blob_seal(image, "image");
	secrets_fd = secrets ? blob_seal(secrets, "secrets") : -1;
	blob_writer_free(image);
	blob_writer_free(secrets);
	assert_int_equal(image_open(fd, &im), HG_OK);
	if (image_check(&im, &pos, 1u << 30, why) != HG_OK)
		fail_msg("%s", why);
}

static struct uptls_in
of(uint32_t cluster)
{
	return (struct uptls_in){.im = &im, .secrets = secrets_fd,
	    .tls = im.clusters[cluster].tls, .cert = IM_NONE};
}

static struct m_uptls
named(const char *sni)
{
	return (struct m_uptls){.sni = bytes_str(sni), .cas = &cas};
}

static struct uptls *
get(uint32_t cluster)
{
	struct uptls_in in = of(cluster);

	return uptls_get(store, &in);
}

static void
test_content(void **state)
{
	struct m_uptls v[] = {named("a.test"), named("b.test"), named("a.test"), named("a.test"),
	    named("a.test"), named("a.test")};
	struct bytes names[] = {BYTES("uri:spiffe://a/b")};
	struct uptls *u[HG_ARRAY_LEN(v)], *again;
	struct uptls_in in;

	(void)state;
	v[2].min_version = 0x0304;
	v[3].names = names;
	v[3].nnames = 1;
	v[4].insecure = true;
	v[4].cas = NULL;
	v[5].cert = &cert;
	generation(v, HG_ARRAY_LEN(v));
	for (uint32_t i = 0; i < HG_ARRAY_LEN(v); i++) {
		assert_non_null(u[i] = uptls_ref(get(i)));
		assert_ptr_equal(u[i], get(i));
		for (uint32_t k = 0; k < i; k++)
			assert_ptr_not_equal(u[i], u[k]);
	}
	/* The Gateway's certificate, where the backend has none of its own. */
	in = of(0);
	in.cert = im.gateways[0].cert;
	assert_int_not_equal(in.cert, IM_NONE);
	again = uptls_get(store, &in);
	assert_ptr_not_equal(again, u[0]);
	in = of(5);
	in.cert = im.gateways[0].cert;
	assert_ptr_equal(uptls_get(store, &in), u[5]);
	/* ALPN is part of it. */
	for (int s = UPTLS_H1; s <= UPTLS_RAW; s++) {
		in = of(0);
		in.speak = (enum uptls_speak)s;
		assert_ptr_not_equal(uptls_get(store, &in), u[0]);
	}
	/* Another generation with the same in it, in another order. */
	v[1] = v[0];
	v[0] = named("c.test");
	generation(v, 2);
	assert_ptr_equal(get(1), u[0]);
	for (uint32_t i = 0; i < HG_ARRAY_LEN(v); i++)
		uptls_unref(u[i]);
}

static void
test_names(void **state)
{
	struct m_uptls v[] = {named(""), named(""), named("")};
	struct uptls *a, *b;
	struct uptls_in in;

	(void)state;
	v[0].sni_from = IM_SNI_HOST;
	v[1].sni_from = IM_SNI_ENDPOINT;
	v[2].sni_from = IM_SNI_HOST;
	v[2].insecure = true;
	generation(v, 3);
	in = of(0);
	assert_null(uptls_get(store, &in)); /* nothing to verify by */
	assert_non_null(strstr(tls_last_error(env), "name"));
	in.host = BYTES("a.test");
	in.endpoint = BYTES("b.test");
	assert_non_null(a = uptls_get(store, &in));
	in.host = BYTES("c.test");
	assert_ptr_not_equal(uptls_get(store, &in), a);
	in.host = BYTES("a.test");
	in.endpoint = BYTES_NONE;
	assert_ptr_equal(uptls_get(store, &in), a);
	in = of(1);
	assert_null(uptls_get(store, &in));
	in.endpoint = BYTES("b.test");
	assert_non_null(b = uptls_get(store, &in));
	in.host = BYTES("a.test");
	assert_ptr_equal(uptls_get(store, &in), b);
	in = of(2);
	assert_non_null(uptls_get(store, &in)); /* any certificate is good, so no name is needed */
}

static void
test_refusals(void **state)
{
	struct m_uptls v[] = {named("a.test"), named("a.test"), named("a.test")};
	struct bytes junk = BYTES("this is no certificate");
	struct m_cas bad = {.v = &junk, .n = 1, .id = {7, 7}};
	struct uptls_in in;

	(void)state;
	v[0].ciphers = BYTES("NOTHING");
	v[1].cas = &bad;
	v[2].cert = &cert;
	v[2].max_version = 0x0303; /* no context of another test */
	generation(v, 3);
	for (uint32_t i = 0; i < 2; i++) {
		tls_set_error(env, "");
		assert_null(get(i));
		assert_null(get(i)); /* remembered */
		assert_string_not_equal(tls_last_error(env), "");
	}
	in = of(2);
	in.secrets = -1;
	assert_null(uptls_get(store, &in));
	assert_non_null(strstr(tls_last_error(env), "key"));
}

static void
test_bounds(void **state)
{
	struct m_uptls v[] = {named("")};
	struct uptls *kept;
	struct uptls_in in;
	char name[32];

	(void)state;
	v[0].sni_from = IM_SNI_HOST;
	generation(v, 1);
	in = of(0);
	in.host = BYTES("kept.test");
	kept = uptls_ref(uptls_get(store, &in));
	for (int i = 0; i < 3 * UPTLS_IDLE; i++) {
		snprintf(name, sizeof(name), "h%d.test", i);
		in.host = bytes_str(name);
		assert_non_null(uptls_get(store, &in));
	}
	in.host = BYTES("kept.test");
	assert_ptr_equal(uptls_get(store, &in), kept);
	uptls_unref(kept);
}

static void
test_protocols(void **state)
{
	struct addr a, b;
	struct m_uptls v[] = {named("a.test"), named("a.test")};
	struct uptls *u;
	struct uptls_in in;

	(void)state;
	assert_true(addr_parse_ip(BYTES("10.0.0.1"), &a));
	assert_true(addr_parse_ip(BYTES("10.0.0.2"), &b));
	v[1].alpn = BYTES("\x08http/1.1");
	generation(v, 2);
	u = get(0);
	assert_false(uptls_expects_h2(u, &a, BYTES_NONE));
	uptls_learn(u, &a, BYTES_NONE, true);
	assert_true(uptls_expects_h2(u, &a, BYTES_NONE));
	assert_false(uptls_expects_h2(u, &b, BYTES_NONE));
	assert_false(uptls_expects_h2(u, &a, BYTES("/run/a.sock")));
	uptls_learn(u, &a, BYTES_NONE, false);
	assert_false(uptls_expects_h2(u, &a, BYTES_NONE));
	u = get(1); /* it is not offered, so it cannot be learned */
	uptls_learn(u, &a, BYTES_NONE, true);
	assert_false(uptls_expects_h2(u, &a, BYTES_NONE));
	in = of(0);
	in.speak = UPTLS_H2;
	assert_true(uptls_expects_h2(uptls_get(store, &in), &a, BYTES_NONE));
	in.speak = UPTLS_H1;
	assert_false(uptls_expects_h2(uptls_get(store, &in), &a, BYTES_NONE));
}

static int
setup(void **state)
{
	static struct bytes der;
	struct pem_cert p;
	const char *why;

	(void)state;
	tls_prepare();
	arena_init(&arena, 65536, 0);
	env = tls_env_new(NULL);
	store = uptls_store_new(env);
	why = pem_certificate(&arena, bytes_str(PEM_CRT), bytes_str(PEM_KEY), false, &p);
	if (why != NULL)
		fail_msg("%s", why);
	cert = (struct m_cert){.chain = p.chain, .key = p.key, .names = p.names, .nnames = p.nnames,
	    .id = {p.id[0], p.id[1]}, .type = p.type, .ocsp = BYTES_NONE};
	der = bytes_of(p.chain.p + 4, p.chain.n - 4);
	cas = (struct m_cas){.v = &der, .n = 1, .id = {1, 2}};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	uptls_store_free(store);
	tls_env_free(env);
	drop();
	arena_release(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_content),
	    cmocka_unit_test(test_names), cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_bounds), cmocka_unit_test(test_protocols)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
