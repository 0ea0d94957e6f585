/*
 * test_tls.c - both ends of TLS over a pair of sockets in one loop: names, client certificates in
 * every mode, refusals, bytes in both directions, the orderly end.
 */
#include "tests/unit/net/tls_help.h"

#include <stdatomic.h>

#include "net/tls.h"

struct side {
	struct chan chan;
	bool open, eof;
	enum hg_err err;
	uint64_t got, sum;
};

static struct loop *l;
static struct bufs bufs;
static struct tls_env *env;
static struct tls_keys keys;
static struct made ca, server, client, stranger;
static struct side down, up; /* server's and client's */
static struct tls_ctx *chosen;
static struct hello seen;
static struct tls_server expected;

static void
on_open(struct chan *c)
{
	((struct side *)c->owner)->open = true;
}

static uint32_t
on_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	struct side *s = c->owner;

	for (uint32_t i = 0; i < n; i++)
		s->sum += (unsigned char)b->data[off + i];
	s->got += n;
	return n;
}

static void
on_eof(struct chan *c)
{
	((struct side *)c->owner)->eof = true;
}

static void
on_drained(struct chan *c)
{
	(void)c;
}

static void
on_error(struct chan *c, enum hg_err e)
{
	((struct side *)c->owner)->err = e;
}

static const struct chan_events events = {
    .open = on_open, .data = on_data, .eof = on_eof, .drained = on_drained, .error = on_error};

static const struct chan_events *up_events = &events;

static struct tls_ctx *
choose(void *arg, const struct hello *h, bool *hold)
{
	(void)hold;
	(void)arg;
	seen = *h;
	return chosen;
}

static struct bytes
of(const unsigned char *p, size_t n)
{
	return bytes_of((const char *)p, n);
}

static struct tls_ctx *
context(bool is_server, const struct made *own, const struct made *trusted, enum tls_client mode)
{
	struct bytes anchor = trusted ? of(trusted->chain + 4, trusted->chain_n - 4) : BYTES_NONE;
	struct tls_conf conf = {.id = {1}, .cas = &anchor, .ncas = trusted ? 1 : 0,
	    .client = mode, .tickets = true, .alpn = BYTES("\10http/1.1")};
	char why[160] = "";
	struct tls_ctx *c = tls_ctx_new(env, is_server, &conf, why);

	assert_non_null(c);
	if (own && !tls_ctx_add(
		       c, of(own->chain, own->chain_n), of(own->der, own->der_n), BYTES_NONE, why))
		fail_msg("%s", why);
	return c;
}

static struct tls_ctx *
client_context(const struct made *trusted, uint16_t version, bool lax)
{
	struct bytes anchor = trusted ? of(trusted->chain + 4, trusted->chain_n - 4) : BYTES_NONE;
	struct tls_conf conf = {.id = {2}, .cas = &anchor, .ncas = trusted ? 1 : 0,
	    .min_version = version, .max_version = version, .insecure = lax};
	char why[160] = "";
	struct tls_ctx *c = tls_ctx_new(env, false, &conf, why);

	assert_non_null(c);
	return c;
}

/* Turns until nothing more happens. */
static void
settle(void)
{
	turns(l, 40);
}

static void
begin(struct tls_ctx *to, struct tls_ctx *from, const char *sni, const char *name)
{
	struct bytes names[] = {bytes_str(name)};
	int fd[2];

	pair(fd);
	memset(&down, 0, sizeof(down));
	memset(&up, 0, sizeof(up));
	chosen = to;
	chan_init(&down.chan, l, &bufs, fd[0], &events, &down);
	assert_true(tls_accept(&down.chan, env, (struct tls_accept){choose, NULL}));
	chan_start(&down.chan, true);
	chan_init(&up.chan, l, &bufs, fd[1], up_events, &up);
	expected.sni = sni;
	expected.names = names;
	expected.n = *name ? 1 : 0;
	assert_true(tls_connect(&up.chan, env, from, &expected));
	chan_start(&up.chan, false);
	/* A pair has no edge of its own for the side that speaks first. */
	settle();
}

static void
end(struct tls_ctx *to, struct tls_ctx *from)
{
	chan_close(&down.chan);
	chan_close(&up.chan);
	settle();
	if (to)
		tls_ctx_unref(to);
	tls_ctx_unref(from);
	assert_int_equal(bufs.in_use, 0);
}

static void
talk(void **state)
{
	struct tls_ctx *to = context(true, &server, NULL, TLS_CLIENT_NONE);
	struct tls_ctx *from = context(false, NULL, &ca, TLS_CLIENT_NONE);
	static char block[300000];
	struct tls_info info;

	(void)state;
	begin(to, from, "www.a.test", "www.a.test");
	assert_true(down.open && up.open);
	assert_string_equal(seen.sni, "www.a.test");
	tls_info(&down.chan, &info);
	assert_string_equal(info.version, "TLSv1.3");
	assert_string_equal(info.alpn, "http/1.1");
	assert_string_equal(info.sni, "www.a.test");
	assert_false(info.resumed || info.client_given);
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 4; i++) { /* more than the sockets hold */
		chan_send(&down.chan, (struct slice){NULL, block, sizeof(block)});
		chan_send(&up.chan, (struct slice){NULL, block, 1000});
		chan_send(&up.chan, (struct slice){NULL, block, 1});
	}
	turns(l, 400);
	assert_int_equal(up.got, 4 * sizeof(block));
	assert_int_equal(up.sum, 4 * sizeof(block) * 'x');
	assert_int_equal(down.got, 4 * 1001);
	chan_shutdown(&down.chan);
	settle();
	assert_true(up.eof);
	assert_int_equal(up.err, HG_OK);
	end(to, from);
}

static void
names(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {{"www.a.test", true}, {"b.test", false}, {"x.b.test", true},
	    {"x.y.b.test", false}, {"uri:spiffe://a/b", true}, {"uri:spiffe://a/c", false},
	    {"uri:", false}, {"", false}, {"*.a.test", true}, {"*.A.test", true},
	    {"*.b.test", true}, {"*.www.a.test", false}, {"*.test", false}, {"*.", false},
	    {"server", false}, {"127.0.0.9", true}, {"127.0.0.8", false}};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct tls_ctx *to = context(true, &server, NULL, TLS_CLIENT_NONE);
		struct tls_ctx *from = context(false, NULL, &ca, TLS_CLIENT_NONE);

		begin(to, from, "www.a.test", rows[i].name);
		if (up.open != rows[i].good)
			fail_msg("%s: %s", rows[i].name, tls_error(&up.chan));
		if (!up.open)
			assert_int_equal(up.err, HG_ERR_BACKEND_TLS);
		end(to, from);
	}
}

/* One connection to `to` under a session's key; was it resumed? The session of TLS 1.3 comes after
 * the handshake. */
static bool
again(struct tls_ctx *to, struct tls_ctx *from, uint64_t key, const char *name)
{
	struct tls_info info;

	expected.key = (struct hash128){key, 1};
	begin(to, from, "www.a.test", name);
	tls_info(&up.chan, &info);
	chan_close(&down.chan);
	chan_close(&up.chan);
	settle();
	return info.resumed;
}

static void
sessions(void **state)
{
	(void)state;
	for (unsigned v = 0x0303; v <= 0x0304; v++) {
		struct tls_ctx *to = context(true, &server, NULL, TLS_CLIENT_NONE);
		struct tls_ctx *from = client_context(&ca, (uint16_t)v, false);

		expected.sessions = tls_sessions_new();
		assert_false(again(to, from, 1, "www.a.test"));
		assert_true(again(to, from, 1, "www.a.test"));
		assert_true(again(to, from, 1, "www.a.test"));
		assert_false(again(to, from, 2, "www.a.test")); /* another backend */
		/* A failure forgets the session, and leaves none behind. */
		assert_false(again(to, from, 3, "b.test"));
		assert_string_not_equal(tls_last_error(env), "");
		assert_false(again(to, from, 3, "www.a.test"));
		for (uint64_t i = 10; i < 10 + TLS_SESSIONS; i++)
			assert_false(again(to, from, i, "www.a.test"));
		assert_false(again(to, from, 1, "www.a.test")); /* made room */
		tls_sessions_free(expected.sessions);
		expected.sessions = NULL;
		tls_ctx_unref(to);
		tls_ctx_unref(from);
	}
	assert_int_equal(bufs.in_use, 0);
}

static void
insecure(void **state)
{
	struct tls_ctx *to = context(true, &stranger, NULL, TLS_CLIENT_NONE);
	struct tls_ctx *from = client_context(NULL, 0, true);

	(void)state;
	begin(to, from, "www.a.test", "www.a.test");
	assert_true(up.open);
	end(to, from);
}

/* An end without close_notify is an error for a client. */
static void
truncated(void **state)
{
	struct tls_ctx *to = context(true, &server, NULL, TLS_CLIENT_NONE);
	struct tls_ctx *from = context(false, NULL, &ca, TLS_CLIENT_NONE);

	(void)state;
	begin(to, from, "www.a.test", "www.a.test");
	assert_int_equal(shutdown(down.chan.watch.fd, SHUT_WR), 0);
	settle();
	assert_false(up.eof);
	assert_int_not_equal(up.err, HG_OK);
	end(to, from);
}

static struct chan moved;

static void
move_on_open(struct chan *c)
{
	((struct side *)c->owner)->open = true;
	assert_true(chan_move(&moved, c, &events, c->owner));
	assert_true(c->closed);
}

/* The channel of an open connection goes on elsewhere, with what TLS has read already. */
static void
moves(void **state)
{
	static const struct chan_events mover = {.open = move_on_open, .data = on_data,
	    .eof = on_eof, .drained = on_drained, .error = on_error};
	struct tls_ctx *to = context(true, &server, NULL, TLS_CLIENT_NONE);
	struct tls_ctx *from = context(false, NULL, &ca, TLS_CLIENT_NONE);

	(void)state;
	up_events = &mover;
	begin(to, from, "www.a.test", "www.a.test");
	up_events = &events;
	assert_true(up.open);
	chan_send(&down.chan, (struct slice){NULL, "hello", 5});
	chan_send(&moved, (struct slice){NULL, "back", 4});
	settle();
	assert_int_equal(up.got, 5);
	assert_int_equal(down.got, 4);
	assert_true(chan_quiet(&moved));
	chan_close(&moved);
	settle();
	assert_true(down.eof);
	end(to, from);
}

static void
trust(void **state)
{
	struct tls_ctx *to = context(true, &server, NULL, TLS_CLIENT_NONE);
	struct tls_ctx *from = context(false, NULL, NULL, TLS_CLIENT_NONE);

	(void)state;
	begin(to, from, "www.a.test", "www.a.test"); /* nothing is trusted */
	assert_false(up.open);
	assert_true(strlen(tls_error(&up.chan)) != 0);
	end(to, from);
}

static void
clients(void **state)
{
	static const struct {
		enum tls_client mode;
		const struct made *own;
		bool good, verified;
	} rows[] = {
	    {TLS_CLIENT_NONE, &client, true, false},
	    {TLS_CLIENT_REQUEST, NULL, true, false},
	    {TLS_CLIENT_REQUEST, &stranger, true, false},
	    {TLS_CLIENT_REQUEST, &client, true, true},
	    {TLS_CLIENT_REQUIRE_ANY, NULL, false, false},
	    {TLS_CLIENT_REQUIRE_ANY, &stranger, true, false},
	    {TLS_CLIENT_VERIFY_IF_GIVEN, NULL, true, false},
	    {TLS_CLIENT_VERIFY_IF_GIVEN, &stranger, false, false},
	    {TLS_CLIENT_VERIFY_IF_GIVEN, &client, true, true},
	    {TLS_CLIENT_REQUIRE, NULL, false, false},
	    {TLS_CLIENT_REQUIRE, &stranger, false, false},
	    {TLS_CLIENT_REQUIRE, &client, true, true},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct tls_ctx *to = context(true, &server, &ca, rows[i].mode);
		struct tls_ctx *from = context(false, rows[i].own, &ca, TLS_CLIENT_NONE);
		struct tls_info info;

		begin(to, from, "www.a.test", "www.a.test");
		if (down.open != rows[i].good)
			fail_msg("row %zu: %s", i, tls_error(&down.chan));
		tls_info(&down.chan, &info);
		if (down.open && info.client_verified != rows[i].verified)
			fail_msg("row %zu: verified", i);
		end(to, from);
	}
}

static void
refused(void **state)
{
	struct tls_ctx *from = context(false, NULL, &ca, TLS_CLIENT_NONE);
	struct tls_conf bad = {.ciphers = "NOTHING"};
	char why[160] = "";
	int fd[2];

	(void)state;
	begin(NULL, from, "www.a.test", "www.a.test");
	assert_false(down.open);
	assert_int_equal(down.err, HG_ERR_BACKEND_TLS);
	end(NULL, from);
	memset(&down, 0, sizeof(down));
	pair(fd);
	chan_init(&down.chan, l, &bufs, fd[0], &events, &down);
	tls_accept(&down.chan, env, (struct tls_accept){choose, NULL});
	chan_start(&down.chan, true);
	assert_int_equal(send(fd[1], "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	settle();
	assert_true(down.err != HG_OK && !down.open);
	chan_close(&down.chan);
	close(fd[1]);
	assert_null(tls_ctx_new(env, true, &bad, why));
	assert_true(strlen(why) != 0);
}

static void
bad_pairs(void **state)
{
	struct tls_ctx *c = context(true, NULL, NULL, TLS_CLIENT_NONE);
	char why[160] = "";

	(void)state;
	assert_false(tls_ctx_add(
	    c, of(server.chain, server.chain_n), of(client.der, client.der_n), BYTES_NONE, why));
	assert_false(tls_ctx_add(
	    c, of(server.chain, 20), of(server.der, server.der_n), BYTES_NONE, why));
	assert_false(tls_ctx_add(c, BYTES(""), BYTES(""), BYTES_NONE, why));
	assert_true(strlen(why) != 0);
	tls_ctx_unref(c);
}

/* A client of OpenSSL's own, which can keep its session. true: resumed. */
static bool
visit(struct tls_ctx *to, SSL_CTX *from, SSL_SESSION **session)
{
	SSL *ssl = SSL_new(from);
	int fd[2];
	bool resumed;

	pair(fd);
	memset(&down, 0, sizeof(down));
	chosen = to;
	chan_init(&down.chan, l, &bufs, fd[0], &events, &down);
	assert_true(tls_accept(&down.chan, env, (struct tls_accept){choose, NULL}));
	chan_start(&down.chan, true);
	SSL_set_fd(ssl, fd[1]);
	if (*session)
		SSL_set_session(ssl, *session);
	for (int i = 0; i < 20 && SSL_connect(ssl) != 1; i++)
		settle();
	settle();
	assert_true(SSL_is_init_finished(ssl) && down.open);
	resumed = SSL_session_reused(ssl);
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(ssl);
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
	close(fd[1]);
	chan_close(&down.chan);
	settle();
	return resumed;
}

/* As the master does it. */
static void
rotate(unsigned char n)
{
	memmove(&keys.key[1], &keys.key[0], 2 * sizeof(keys.key[0]));
	memset(&keys.key[0], n, sizeof(keys.key[0]));
	atomic_fetch_add(&keys.seq, 2);
}

/* A ticket is good for the two rotations behind its key, by any process that has the keys; an older
 * one gets a new ticket with the visit. Another id is another policy. */
static void
tickets(void **state)
{
	struct tls_ctx *to = context(true, &server, NULL, TLS_CLIENT_NONE);
	struct tls_conf conf = {.id = {2}, .tickets = true};
	SSL_CTX *from = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *first = NULL, *second;
	char why[160];
	struct tls_ctx *other = tls_ctx_new(env, true, &conf, why);

	(void)state;
	assert_true(tls_ctx_add(other, of(server.chain, server.chain_n),
	    of(server.der, server.der_n), BYTES_NONE, why));
	SSL_CTX_set_max_proto_version(from, TLS1_2_VERSION);
	rotate(1);
	assert_false(visit(to, from, &first));
	second = first;
	SSL_SESSION_up_ref(second);
	assert_true(visit(to, from, &first));
	rotate(2);
	rotate(3);
	assert_true(visit(to, from, &first)); /* and has a ticket of the new key now */
	assert_false(visit(other, from, &first));
	assert_false(visit(to, from, &first));
	rotate(4);
	assert_false(visit(to, from, &second)); /* its key is gone */
	SSL_SESSION_free(first);
	SSL_SESSION_free(second);
	SSL_CTX_free(from);
	tls_ctx_unref(to);
	tls_ctx_unref(other);
	assert_int_equal(bufs.in_use, 0);
}

static int
setup(void **state)
{
	(void)state;
	tls_prepare();
	l = loop_new();
	assert_int_equal(bufs_init(&bufs, 4 << 20), 0);
	atomic_store(&keys.seq, 2);
	env = tls_env_new(&keys);
	make_cert(&ca, NULL, "ca", NULL);
	make_cert(
	    &server, &ca, "server", "DNS:www.a.test,DNS:*.b.test,URI:spiffe://a/b,IP:127.0.0.9");
	make_cert(&client, &ca, "client", "DNS:client");
	make_cert(&stranger, NULL, "stranger", "DNS:client");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	drop_cert(&ca);
	drop_cert(&server);
	drop_cert(&client);
	drop_cert(&stranger);
	tls_env_free(env);
	bufs_release(&bufs);
	loop_free(l);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(talk), cmocka_unit_test(names),
	    cmocka_unit_test(trust), cmocka_unit_test(clients), cmocka_unit_test(refused),
	    cmocka_unit_test(bad_pairs), cmocka_unit_test(sessions), cmocka_unit_test(insecure),
	    cmocka_unit_test(truncated), cmocka_unit_test(moves), cmocka_unit_test(tickets)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
