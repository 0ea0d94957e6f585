/* test_resolve.c - names by a stub DNS server in the same loop, and the hosts text. */
#include "tests/unit/net/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/mem.h"
#include "net/resolve.h"

struct stub {
	int fd, queries;
	struct addr at;
	int rcode;       /* of every answer */
	bool silent, no_v6;
};

static struct loop *l;
static struct stub dns;
static struct resolve_answer got;
static int done;

static void
on_done(void *arg, const struct resolve_answer *a)
{
	assert_ptr_equal(arg, &dns);
	got = *a;
	done++;
}

static size_t
put_record(unsigned char *p, int type, const unsigned char *data, uint16_t n, uint32_t ttl)
{
	const unsigned char head[12] = {0xc0, 12, 0, (unsigned char)type, 0, 1, 0, 0,
	    (unsigned char)(ttl >> 8), (unsigned char)ttl, 0, (unsigned char)n};

	memcpy(p, head, 12);
	memcpy(p + 12, data, n);
	return 12u + n;
}

static void
serve(void)
{
	unsigned char q[600], r[900];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(dns.fd, q, sizeof(q), 0, (struct sockaddr *)&from, &len)) > 12) {
		size_t at = 12, end;
		int type, answers = 0;

		dns.queries++;
		if (dns.silent)
			continue;
		while (q[at])
			at += q[at] + 1u;
		type = q[at + 2];
		end = at + 5;
		memcpy(r, q, end);
		at = end;
		if (dns.rcode == 0 && type == 1) {
			at +=
			    put_record(r + at, 1, (const unsigned char *)"\x0a\x00\x00\x01", 4, 20);
			at +=
			    put_record(r + at, 1, (const unsigned char *)"\x0a\x00\x00\x02", 4, 7);
			answers = 2;
		} else if (dns.rcode == 0 && type == 28 && !dns.no_v6) {
			at += put_record(r + at, 28,
			    (const unsigned char *)"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, 9000);
			answers = 1;
		}
		r[2] = 0x81;
		r[3] = (unsigned char)(0x80 | dns.rcode);
		memset(r + 4, 0, 8);
		r[5] = 1;
		r[7] = (unsigned char)answers;
		sendto(dns.fd, r, at, 0, (struct sockaddr *)&from, len);
	}
}

static void
ask(struct resolver *r, const char *name)
{
	done = 0;
	resolver_query(r, name, on_done, &dns);
	assert_int_equal(done, 0);
	for (int i = 0; i < 50 && !done; i++) {
		serve();
		loop_turn(l, 5);
	}
	assert_int_equal(done, 1);
}

static struct resolver *
make(struct bytes hosts)
{
	char servers[80], text[56];
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct resolver *r;

	l = loop_new();
	dns = (struct stub){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
	assert_int_equal(bind(dns.fd, (struct sockaddr *)&in, sizeof(in)), 0);
	getsockname(dns.fd, (struct sockaddr *)&ss, &n);
	assert_true(addr_from_sock((struct sockaddr *)&ss, &dns.at));
	addr_print(&dns.at, text);
	snprintf(servers, sizeof(servers), "%s", text);
	r = resolver_new(servers, hosts);
	assert_non_null(r);
	resolver_attach(r, l);
	return r;
}

static void
unmake(struct resolver *r)
{
	resolver_free(r);
	close(dns.fd);
	loop_free(l);
}

static void
both_families_and_least_ttl(void **state)
{
	struct resolver *r = make(BYTES_NONE);

	(void)state;
	ask(r, "svc.example");
	assert_true(got.ok);
	assert_int_equal(got.n, 3);
	assert_int_equal(got.ttl_s, 7);
	dns.no_v6 = true;
	ask(r, "svc.example");
	assert_true(got.ok);
	assert_int_equal(got.n, 2);
	unmake(r);
}

static void
no_such_name(void **state)
{
	struct resolver *r = make(BYTES_NONE);

	(void)state;
	dns.rcode = 3;
	ask(r, "gone.example");
	assert_false(got.ok);
	assert_true(got.none);
	dns.rcode = 2;
	ask(r, "broken.example");
	assert_false(got.ok);
	assert_false(got.none);
	assert_non_null(got.why);
	unmake(r);
}

static void
hosts_come_first(void **state)
{
	struct resolver *r = make(
	    BYTES("# comment\n127.0.0.5\tdb.test db2.test # x\n::1 db.test\nrubbish db.test\n"));

	(void)state;
	ask(r, "DB.test");
	assert_true(got.ok);
	assert_int_equal(got.n, 2);
	assert_int_equal(dns.queries, 0);
	ask(r, "db2.test");
	assert_int_equal(got.n, 1);
	ask(r, "10.1.2.3"); /* a literal is its own answer */
	assert_true(got.ok);
	unmake(r);
}

static void
free_with_queries_under_way(void **state)
{
	struct resolver *r = make(BYTES("127.0.0.5 db.test\n"));
	size_t live;

	(void)state;
	live = mem_live();
	dns.silent = true;
	done = 0;
	resolver_query(r, "a.example", on_done, &dns);
	resolver_query(r, "db.test", on_done, &dns);
	loop_turn(l, 0);
	resolver_query(r, "b.example", on_done, &dns);
	assert_int_equal(done, 1);
	assert_true(mem_live() > live);
	unmake(r);
	assert_int_equal(done, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_and_least_ttl),
		cmocka_unit_test(no_such_name),
		cmocka_unit_test(hosts_come_first),
		cmocka_unit_test(free_with_queries_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
