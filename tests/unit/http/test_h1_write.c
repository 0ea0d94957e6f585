/* test_h1_write.c - what is rendered: runs of lines, edited lines, framing, buffers of every size.
 */
#include "tests/unit/http/unit.h"

#include "http/h1_write.h"

static struct loop *l;
static struct bufs bufs;
static struct chan chan;
static struct h1_out out;
static int peer;

static void
on_end(struct chan *c)
{
	(void)c;
}

static void
on_error(struct chan *c, enum hg_err e)
{
	(void)c;
	(void)e;
}

static uint32_t
on_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	(void)c;
	(void)b;
	(void)off;
	return n;
}

static const struct chan_events events = {.data = on_data, .eof = on_end, .error = on_error};

static int
setup(void **state)
{
	int fd[2];

	(void)state;
	l = loop_new();
	assert_int_equal(bufs_init(&bufs, 4 << 20), 0);
	pair(fd);
	peer = fd[1];
	out = (struct h1_out){0};
	chan_init(&chan, l, &bufs, fd[0], &events, NULL);
	chan_start(&chan, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	h1_write_done(&out);
	chan_close(&chan);
	close(peer);
	assert_int_equal(bufs.in_use, 0);
	bufs_release(&bufs);
	loop_free(l);
	return 0;
}

static const char *
written(void)
{
	static char buf[100000];
	size_t n = 0;
	ssize_t k;

	do {
		turns(l, 1);
		k = recv(peer, buf + n, sizeof(buf) - n - 1, MSG_DONTWAIT);
		n += (size_t)HG_MAX(k, 0);
	} while (k > 0);
	buf[n] = '\0';
	return buf;
}

/* A received head with lines taken out, replaced and added comes out as it should, whatever lies
 * where. */
static void
edited_lines(void **state)
{
	static const char raw[] =
	    "GET /a HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC:3\r\n"
	    "D: 4 \r\nE: 5\r\nF:\r\nG: 7\r\n\r\n";
	const struct h1_limits limits = TEST_LIMITS;
	static struct msg m;
	uint32_t scan = 0, used;

	(void)state;
	assert_int_equal(h1_guard_request(raw, sizeof(raw) - 1, &limits, &scan, &m, &used), HG_OK);
	h1_write_request(&chan, &out, &m, STREAM_END);
	assert_string_equal(written(),
	    "GET /a HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n"
	    "F: \r\nG: 7\r\n\r\n");
	for (uint32_t mask = 0; mask < 128; mask++) {
		char want[200] = "GET /a HTTP/1.1\r\nHost: h\r\n";

		for (uint32_t i = 0; i < 7; i++) {
			static const char *const lines[] = {"A: 1\r\n", "B: 2\r\n", "C: 3\r\n",
			    "D: 4\r\n", "E: 5\r\n", "F: \r\n", "G: 7\r\n"};

			m.fields.v[i + 1].flags = mask >> i & 1 ? FIELD_GONE : 0;
			if (!(mask >> i & 1))
				snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s",
				    lines[i]);
		}
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "\r\n");
		h1_write_request(&chan, &out, &m, STREAM_END);
		assert_string_equal(written(), want);
	}
}

/* Lines of another table, finished text, lines of its own: in this order. */
static void
borrowed_lines(void **state)
{
	static const char raw[] = "HTTP/1.1 200 OK\r\nServer: s\r\nVia: a\r\nDate: d\r\n"
				  "Content-Length: 0\r\n\r\n";
	const struct h1_limits limits = TEST_LIMITS;
	static struct msg in, m;
	struct msg_lines lines = {.m = &m};
	struct field f;
	uint32_t scan = 0, used, n = 0;

	(void)state;
	assert_int_equal(
	    h1_guard_response(raw, sizeof(raw) - 1, &limits, &scan, false, &in, &used), HG_OK);
	msg_init(&m, false);
	m.status = 200;
	m.base = &in.fields;
	m.skip = FIELD_BIT(FIELD_VIA);
	m.extra = BYTES("X: 1\r\nY: \r\n");
	fields_add(&m.fields, BYTES("Z"), BYTES("3"), FIELD_OTHER);
	h1_write_response(&chan, &out, &m, STREAM_END, false, false, H1_PERSIST_PLAIN);
	assert_string_equal(written(),
	    "HTTP/1.1 200 OK\r\nServer: s\r\nDate: d\r\nX: 1\r\nY: \r\nZ: 3\r\n"
	    "Content-Length: 0\r\n\r\n");
	while (msg_lines_next(&lines, &f))
		assert_int_equal(f.name.p[0], "SDCXYZ"[n++]);
	assert_int_equal(n, 6);
}

static void
request_forms(void **state)
{
	static struct msg m;

	(void)state;
	msg_init(&m, true);
	m.method = BYTES("CONNECT");
	m.authority = BYTES("h:443");
	h1_write_request(&chan, &out, &m, STREAM_END);
	assert_string_equal(written(), "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
	m.method = BYTES("OPTIONS");
	m.path = BYTES("*");
	m.te_trailers = true;
	h1_write_request(&chan, &out, &m, STREAM_END);
	assert_string_equal(written(),
	    "OPTIONS * HTTP/1.1\r\nHost: h:443\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
	m.te_trailers = false;
	m.path = BYTES("/");
	m.query = BYTES("");
	m.framing = MSG_LENGTH;
	m.length = 0;
	h1_write_request(&chan, &out, &m, STREAM_END);
	assert_string_equal(
	    written(), "OPTIONS /? HTTP/1.1\r\nHost: h:443\r\nContent-Length: 0\r\n\r\n");
}

/* Nobody splits a response by a reason or smuggles framing through the field table. */
static void
framing_is_ours(void **state)
{
	static struct msg m;

	(void)state;
	msg_init(&m, false);
	m.status = 299;
	m.framing = MSG_LENGTH;
	m.length = 5;
	fields_add(&m.fields, BYTES("Date"), BYTES("D"), FIELD_DATE);
	fields_add(&m.fields, BYTES("Content-Length"), BYTES("7"), FIELD_CONTENT_LENGTH);
	fields_add(
	    &m.fields, BYTES("Transfer-Encoding"), BYTES("chunked"), FIELD_TRANSFER_ENCODING);
	fields_add(&m.fields, BYTES("Connection"), BYTES("x"), FIELD_CONNECTION);
	fields_add(&m.fields, BYTES("Upgrade"), BYTES("h2c"), FIELD_UPGRADE);
	h1_write_response(&chan, &out, &m, 0, false, false, H1_PERSIST_PLAIN);
	h1_write_body(&chan, &out, (struct slice){NULL, "abcdefgh", 8});
	assert_string_equal(
	    written(), "HTTP/1.1 299 \r\nDate: D\r\nContent-Length: 5\r\n\r\nabcde");
	assert_true(h1_write_end(&chan, &out, NULL));
	assert_string_equal(written(), "");
}

static void
bodies_of_every_size(void **state)
{
	static const uint32_t sizes[] = {1, 15, 16, 1023, 1024, 1025, 4000, 30000};
	static struct msg m;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(sizes); i++) {
		struct buf *b = buf_new(&bufs, sizes[i]);
		const char *got;
		char head[20];

		memset(b->data, 'x', sizes[i]);
		msg_init(&m, false);
		m.status = 200;
		m.framing = MSG_CHUNKED;
		h1_write_response(&chan, &out, &m, 0, false, false, H1_PERSIST_PLAIN);
		h1_write_body(&chan, &out, slice_of(b, b->data, sizes[i]));
		h1_write_body(&chan, &out, (struct slice){b, b->data, sizes[i]});
		h1_write_end(&chan, &out, NULL);
		got = strstr(written(), "\r\n\r\n") + 4;
		snprintf(head, sizeof(head), "%x\r\n", sizes[i]);
		for (int k = 0; k < 2; k++) {
			assert_memory_equal(got, head, strlen(head));
			got += strlen(head) + sizes[i];
			assert_memory_equal(got, "\r\n", 2);
			got += 2;
		}
		assert_string_equal(got, "0\r\n\r\n");
	}
}

static void
heads_of_every_size(void **state)
{
	static char value[60000];
	static struct msg m;

	(void)state;
	memset(value, 'v', sizeof(value));
	for (size_t n = 100; n <= sizeof(value); n = n * 3 / 2) {
		msg_init(&m, false);
		m.status = 200;
		fields_add(&m.fields, BYTES("X"), bytes_of(value, n), FIELD_OTHER);
		assert_int_equal(
		    h1_write_response(&chan, &out, &m, STREAM_END, false, false, H1_PERSIST_PLAIN),
		    HG_OK);
		assert_true(strlen(written()) > n);
	}
	fields_add(&m.fields, BYTES("Y"), bytes_of(value, sizeof(value)), FIELD_OTHER);
	assert_int_equal(
	    h1_write_response(&chan, &out, &m, STREAM_END, false, false, H1_PERSIST_PLAIN),
	    HG_ERR_HEADER_TOO_LARGE);
	bufs.limit = bufs.in_use;
	h1_write_done(&out);
	bufs.limit = 0;
	assert_int_equal(
	    h1_write_response(&chan, &out, &m, STREAM_END, false, false, H1_PERSIST_PLAIN),
	    HG_ERR_NOMEM);
	assert_string_equal(written(), "");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(edited_lines),
	    T(borrowed_lines),
	    T(request_forms),
	    T(framing_is_ours),
	    T(bodies_of_every_size),
	    T(heads_of_every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
