/*
 * Which listener and which certificates a hello means, and what contexts are kept: images and
 * secrets by the builder, keys read from the blob as a worker does it.
 */
#include "tests/unit/worker/fake.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/pem.h"
#include "conf/build/build.h"
#include "shm/secrets.h"
#include "tests/unit/conf/pem.h"
#include "worker/secure.h"

static struct arena arena;
static struct gen gen;
static struct secure *secure;
static struct m_cert wide, leaf; /* example.org and *.example.org; leaf.example.org */
static struct tls_keys keys;

static void
certificate(struct m_cert *c, const char *crt, const char *key)
{
	struct pem_cert p;
	const char *why = pem_certificate(&arena, bytes_str(crt), bytes_str(key), false, &p);

	if (why != NULL)
		fail_msg("%s", why);
	*c = (struct m_cert){.chain = p.chain, .key = p.key, .names = p.names, .nnames = p.nnames,
	    .id = {p.id[0], p.id[1]}, .type = p.type, .ocsp = BYTES_NONE};
}

/* One HTTPS socket, a listener a name; each with its own settings. */
static void
serve(struct m_listener *v, uint32_t n)
{
	struct m_listener *at[8];
	struct m_socket socket = {.id = 1, .transport = IM_TCP, .protocol = IM_HTTPS,
	    .listeners = at, .nlisteners = n};
	struct m_gateway gateway = {.ns = BYTES("infra"), .name = BYTES("gw")};
	struct model m = {.arena = &arena, .generation = 1, .gateways = &gateway, .ngateways = 1,
	    .sockets = &socket, .nsockets = 1, .listeners = v, .nlisteners = n};
	struct blob_writer *image, *secrets;
	struct build_stats stats;
	char why[128] = "";
	uint64_t pos = 0;

#define LIM(m_, def, lo, hi, unit, doc) m.settings.m_ = def;
	IM_LIMITS(LIM)
#undef LIM
	m.settings.access_log = IM_LOG_JSON;
	for (uint32_t i = 0; i < n; i++) {
		at[i] = &v[i];
		/* Places in blobs of another build. */
		for (uint32_t k = 0; v[i].tls && k < v[i].tls->ncerts; k++)
			v[i].tls->certs[k]->index = 0;
	}
	assert_true(addr_parse_ip(BYTES("127.0.0.1"), &socket.addr));
	assert_int_equal(build_all(&m, &image, &secrets, &stats), HG_OK);
	gen.fd = blob_seal(image, "image");
	gen.secrets = secrets == NULL ? -1 : blob_seal(secrets, "secrets");
	blob_writer_free(image);
	blob_writer_free(secrets);
	assert_int_equal(image_open(gen.fd, &gen.image), HG_OK);
	if (image_check(&gen.image, &pos, 1u << 30, why) != HG_OK)
		fail_msg("%s", why);
}

static void
drop(void)
{
	image_close(&gen.image);
	close(gen.fd);
	if (gen.secrets >= 0)
		close(gen.secrets);
}

static struct m_listener
listener(uint32_t id, const char *host, struct m_tls *t)
{
	return (struct m_listener){.id = id, .name = BYTES("l"), .port = 443, .protocol = IM_HTTPS,
	    .hostname = host ? bytes_str(host) : BYTES_NONE, .tls = t};
}

static uint32_t
found(const char *sni)
{
	return secure_listener(&gen, 0, bytes_str(sni));
}

static void
test_listeners(void **state)
{
	struct m_cert *certs[] = {&wide};
	struct m_tls t = {.id = {1}, .certs = certs, .ncerts = 1};
	struct m_listener v[] = {listener(1, "example.org", &t), listener(2, "*.example.org", &t),
	    listener(3, "broken.example.org", NULL)};

	(void)state;
	v[2].flags = IM_L_BROKEN;
	serve(v, 3);
	assert_int_equal(found("example.org"), 0);
	assert_int_equal(found("a.example.org"), 1);
	assert_int_equal(found("other.org"), IM_NONE);
	assert_int_equal(found(""), IM_NONE);
	/* a wider one does not stand in for it */
	assert_int_equal(found("broken.example.org"), IM_NONE);
	assert_int_equal(secure_listener(&gen, IM_NONE, BYTES("example.org")), IM_NONE);
	drop();
}

static struct tls_ctx *
context(const char *sni)
{
	return secure_context(secure, &gen, 0, bytes_str(sni));
}

static void
test_names(void **state)
{
	struct m_cert *certs[] = {&wide, &leaf};
	struct m_tls t = {.id = {1}, .certs = certs, .ncerts = 2};
	struct m_listener v[] = {listener(1, NULL, &t)};
	struct tls_ctx *exact, *wild, *any;

	(void)state;
	serve(v, 1);
	exact = context("leaf.example.org");
	wild = context("a.example.org");
	any = context("other.test");
	assert_non_null(exact);
	assert_non_null(wild);
	assert_ptr_not_equal(exact, wild);
	/* the first is the default, and its context the one of its names */
	assert_ptr_equal(any, wild);
	assert_ptr_equal(context("example.org"), wild);
	assert_ptr_equal(context("leaf.example.org"), exact);
	assert_ptr_equal(context("x.a.example.org"), any); /* one label */
	drop();
	/* the same content in the next generation: the same contexts */
	serve(v, 1);
	assert_ptr_equal(context("leaf.example.org"), exact);
	drop();
}

static void
test_marks(void **state)
{
	struct m_cert *one[] = {&wide}, *two[] = {&leaf};
	struct m_certcheck check = {IM_CC_DNS, IM_CM_EXACT, BYTES("a"), BYTES_NONE};
	struct bytes ca = wide.chain;
	struct m_tls t = {.id = {1}, .certs = one, .ncerts = 1}, u = t;
	struct m_listener v[] = {listener(1, NULL, &t)};
	uint64_t mark;

	(void)state;
	ca = bytes_of(ca.p + 4, ca.n - 4);
	serve(v, 1);
	mark = secure_mark(&gen.image.tls[0]);
	assert_true(secure_same(&gen, 0, mark));
	assert_false(secure_same(&gen, 0, mark + 1));
	assert_false(secure_same(&gen, IM_NONE, mark));
	drop();
	/* another certificate ends nobody's connection or session */
	t.certs = two;
	serve(v, 1);
	assert_true(secure_same(&gen, 0, mark));
	drop();
	/* everything else does */
	for (int i = 0; i < 9; i++) {
		t = u;
		switch (i) {
		case 0:
			t.id[0] = 2;
			break;
		case 1:
			t.min_version = 0x0304;
			break;
		case 2:
			t.ciphers = BYTES("ECDHE-RSA-AES128-GCM-SHA256");
			break;
		case 3:
			t.alpn = BYTES("\2h2");
			break;
		case 4:
			t.client = IM_CA_REQUEST;
			break;
		case 5:
			t.cas = &ca;
			t.ncas = 1;
			break;
		case 6:
			t.crls = &ca;
			t.ncrls = 1;
			break;
		case 7:
			t.checks = &check;
			t.nchecks = 1;
			break;
		case 8:
			t.expired = true;
			break;
		}
		serve(v, 1);
		if (secure_same(&gen, 0, mark))
			fail_msg("row %d", i);
		drop();
	}
}

/* Keys that cannot be read, or that belong to another: no context, and no second try each time. */
static void
test_bad_keys(void **state)
{
	struct m_cert wrong = wide;
	struct m_cert *certs[] = {&wrong};
	struct m_tls t = {.id = {7}, .certs = certs, .ncerts = 1};
	struct m_listener v[] = {listener(1, NULL, &t)};

	(void)state;
	wrong.key = leaf.key;
	wrong.id[0]++;
	serve(v, 1);
	assert_null(context("example.org"));
	assert_null(context("example.org"));
	drop();
	wrong = wide;
	wrong.id[0] += 2;
	serve(v, 1);
	close(gen.secrets);
	gen.secrets = -1;
	assert_null(context("example.org"));
	drop();
}

/* More certificates than contexts may be kept. */
static void
test_bound(void **state)
{
	struct m_tls t = {.id = {9}, .ncerts = 1};
	struct m_cert c = leaf, *certs[] = {&c};
	struct m_listener v[] = {listener(1, NULL, &t)};

	(void)state;
	t.certs = certs;
	for (uint64_t i = 0; i < SECURE_CONTEXTS + 20; i++) {
		c = leaf;
		c.id[0] = i;
		serve(v, 1);
		assert_non_null(context("leaf.example.org"));
		drop();
	}
}

static int
setup(void **state)
{
	(void)state;
	tls_prepare();
	arena_init(&arena, 65536, 0);
	atomic_store(&keys.seq, 2);
	secure = secure_new(&keys);
	certificate(&wide, PEM_CRT, PEM_KEY);
	certificate(&leaf, PEM_LEAF PEM_MID, PEM_LEAF_KEY);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	secure_free(secure);
	arena_release(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_listeners),
	    cmocka_unit_test(test_names), cmocka_unit_test(test_marks),
	    cmocka_unit_test(test_bad_keys), cmocka_unit_test(test_bound)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
