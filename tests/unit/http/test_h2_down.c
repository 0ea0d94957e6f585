/*
 * test_h2_down.c - the client's side against raw frames: what is malformed, what is too much, what
 * floods. Fields are written as literals, so that no encoder can refuse what a test wants to send.
 */
#include "tests/unit/http/h2_rig.h"

#include "http/h2_core.h"

static uint8_t frame[70000];
static size_t nframe;

static void
begin_frame(uint8_t type, uint8_t flags, uint32_t id)
{
	const uint8_t h[9] = {0, 0, 0, type, flags, (uint8_t)(id >> 24), (uint8_t)(id >> 16),
	    (uint8_t)(id >> 8), (uint8_t)id};

	memcpy(frame, h, 9);
	nframe = 9;
}

static void
add(const void *p, size_t n)
{
	memcpy(frame + nframe, p, n);
	nframe += n;
}

static void
add_number(uint8_t v)
{
	frame[nframe++] = v;
}

/* Literal without indexing, new name, no Huffman; lengths below 127 or as two bytes. */
static void
add_text(const char *p, size_t n)
{
	if (n < 127) {
		add_number((uint8_t)n);
	} else {
		add_number(127);
		n -= 127;
		while (n >= 128) {
			add_number((uint8_t)(n % 128 + 128));
			n /= 128;
		}
		add_number((uint8_t)n);
	}
	add(p, strlen(p));
}

static void
field(const char *name, const char *value)
{
	add_number(0);
	add_text(name, strlen(name));
	add_text(value, strlen(value));
}

static void
push(const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t k = send(client, at, n, MSG_NOSIGNAL);

		if (k < 0)
			return; /* closed on us, which some tests want */
		at += k;
		n -= (size_t)k;
		turns(l, 1);
	}
}

static void
end_frame(void)
{
	size_t n = nframe - 9;

	frame[0] = (uint8_t)(n >> 16);
	frame[1] = (uint8_t)(n >> 8);
	frame[2] = (uint8_t)n;
	push(frame, nframe);
}

#define END_STREAM 1
#define END_HEADERS 4
enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, UPDATE, CONTINUATION };

static void
four(const char *method, const char *path, const char *authority)
{
	field(":method", method);
	field(":scheme", "http");
	field(":path", path);
	if (authority)
		field(":authority", authority);
}

/* A request with one more field. */
static void
get(uint32_t id, const char *path, const char *authority, const char *name, const char *value)
{
	begin_frame(HEADERS, END_STREAM | END_HEADERS, id);
	four("GET", path, authority);
	if (name)
		field(name, value);
	end_frame();
}

static int
begin(void **state)
{
	int fd[2];

	setup(state);
	auto_answer = true;
	pair(fd);
	client = fd[1];
	h2_down_start(&d, &env, fd[0], &down_events, NULL);
	push(H2_PREFACE, H2_PREFACE_LEN);
	begin_frame(SETTINGS, 0, 0);
	end_frame();
	turns(l, 3);
	return 0;
}

static int
finish(void **state)
{
	if (!closed)
		h2_down_close(&d, HG_OK);
	release_all();
	turns(l, 3);
	assert_true(closed);
	return teardown(state);
}

struct said {
	unsigned rst, goaway, headers, ping, updates;
	uint32_t rst_code, goaway_code;
	bool eof;
};

/* All frames that have come, summed up. */
static struct said
hear(void)
{
	static uint8_t in[1 << 20];
	struct said s = {0};
	size_t n = 0, at = 0;

	for (;;) {
		ssize_t k;

		turns(l, 3);
		k = recv(client, in + n, sizeof(in) - n, MSG_DONTWAIT);
		s.eof |= k == 0;
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	while (n - at >= 9) {
		size_t len = (size_t)in[at] << 16 | (size_t)in[at + 1] << 8 | in[at + 2];
		const uint8_t *p = in + at + 9;

		switch (in[at + 3]) {
		case RST:
			s.rst++;
			s.rst_code = p[3];
			break;
		case GOAWAY:
			s.goaway++;
			s.goaway_code = p[7];
			break;
		case HEADERS:
			s.headers++;
			break;
		case PING:
			s.ping++;
			break;
		case UPDATE:
			s.updates++;
			break;
		}
		at += 9 + len;
	}
	return s;
}

static void
request(void **state)
{
	struct said s;

	(void)state;
	get(1, "/a", "H.example:80", NULL, NULL);
	s = hear();
	assert_string_equal(seen.p, "GET /a@h.example. ");
	assert_int_equal(s.headers, 1);
	assert_int_equal(s.rst, 0);
	assert_int_equal(d.h2.nstreams, 0);
}

static void
cookies(void **state)
{
	(void)state;
	begin_frame(HEADERS, END_STREAM | END_HEADERS, 1);
	four("GET", "/", "h");
	field("cookie", "a=1");
	field("x", "y");
	field("cookie", "b=2");
	field("cookie", "c=3");
	end_frame();
	hear();
	assert_string_equal(seen.p, "GET /@h. cookie=a=1; b=2; c=3 ");
}

static const struct {
	const char *path, *authority, *name, *value;
} bad[] = {
    {"/", "h", "X-Upper", "v"},
    {"/", "h", "a:b", "v"},
    {"/", "h", "a b", "v"},
    {"/", "h", "a\r\nb", "v"},
    {"/", "h", "", "v"},
    {"/", "h", "a", "v\r\nx: y"},
    {"/", "h", "a", "v\n"},
    {"/", "h", "a", " v"},
    {"/", "h", "a", "v\t"},
    {"/", "h", "a", "v\x7f"},
    {"/", "h", "a", "v\x01"},
    {"/", "h", "connection", "close"},
    {"/", "h", "keep-alive", "x"},
    {"/", "h", "proxy-connection", "x"},
    {"/", "h", "transfer-encoding", "chunked"},
    {"/", "h", "upgrade", "h2c"},
    {"/", "h", "http2-settings", "AAAA"},
    {"/", "h", "te", "gzip"},
    {"/", "h", "te", "trailers, gzip"},
    {"/", "h", "content-length", "x"},
    {"/", "h", "content-length", "5"},
    {"/", "h", ":path", "/b"},
    {"/", "h", ":status", "200"},
    {"/", "h", ":foo", "x"},
    {"/", "h", "host", "other"},
    {"/", "u:p@h", NULL, NULL},
    {"/", "h:abc", NULL, NULL},
    {"/", "a,b", NULL, NULL},
    {"/", "", NULL, NULL},
    {"/", NULL, NULL, NULL},
    {"/#f", "h", NULL, NULL},
    {"/a b", "h", NULL, NULL},
    {"/\x80", "h", NULL, NULL},
    {"", "h", NULL, NULL},
    {"a", "h", NULL, NULL},
    {"http://h/", "h", NULL, NULL},
    {"*", "h", NULL, NULL},
    {"/%zz", "h", NULL, NULL},
};

/* Malformed: the stream is reset, or answered with 400; the owner never sees a head. */
static void
malformed(void **state)
{
	uint32_t id = 1;

	(void)state;
	h2l.glitches = 0;
	for (size_t i = 0; i < HG_ARRAY_LEN(bad); i++, id += 2) {
		struct said s;

		strbuf_reset(&seen);
		strbuf_addz(&seen, "");
		get(id, bad[i].path, bad[i].authority, bad[i].name, bad[i].value);
		s = hear();
		if (strstr(seen.p, "GET") || s.rst + (strstr(seen.p, "refuse-BAD") != NULL) != 1)
			fail_msg("%zu: %s %s %s: \"%s\" rst %u", i, bad[i].path,
			    bad[i].authority ? bad[i].authority : "-",
			    bad[i].name ? bad[i].name : "-", seen.p, s.rst);
		assert_int_equal(s.goaway, 0);
		assert_int_equal(d.h2.nstreams, 0);
	}
	strbuf_reset(&seen);
	get(id, "/ok", "h", "host", "H:80");
	hear();
	assert_true(strstr(seen.p, "GET /ok") || strstr(seen.p, "refuse"));
}

/* NUL cannot be in a C string. */
static void
nul(void **state)
{
	struct said s;

	(void)state;
	begin_frame(HEADERS, END_STREAM | END_HEADERS, 1);
	four("GET", "/", "h");
	add("\0\1a\3v\0w", 7);
	end_frame();
	s = hear();
	assert_int_equal(s.rst, 1);
	assert_int_equal(s.rst_code, 1);
	assert_null(strstr(seen.p, "GET"));
}

static void
body_and_trailers(void **state)
{
	(void)state;
	begin_frame(HEADERS, END_HEADERS, 1);
	four("POST", "/p", "h");
	end_frame();
	begin_frame(DATA, 0, 1);
	add("hello", 5);
	end_frame();
	begin_frame(DATA, 8, 1); /* padded */
	add("\3 world...", 11);
	nframe = 9 + 1 + 6 + 3;
	end_frame();
	begin_frame(HEADERS, END_HEADERS | END_STREAM, 1);
	field("x-sum", "1");
	field("host", "evil");
	end_frame();
	hear();
	assert_string_equal(seen.p, "POST /p@h <hello world>end[x-sum=1] ");
}

static void
too_large(void **state)
{
	static char value[9000];
	struct said s;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	begin_frame(HEADERS, END_STREAM, 1);
	four("GET", "/", "h");
	field("a", value);
	end_frame();
	for (int i = 0; i < 4; i++) {
		begin_frame(CONTINUATION, i == 3 ? END_HEADERS : 0, 1);
		field("b", value);
		end_frame();
	}
	s = hear();
	assert_string_equal(seen.p, "refuse-HEADER_TOO_LARGE ");
	assert_int_equal(s.headers, 1);
	assert_int_equal(s.goaway, 0);
	get(3, "/next", "h", NULL, NULL);
	hear();
	assert_non_null(strstr(seen.p, "GET /next"));
}

/* One entry in the table, then thousands of references to it. */
static void
bomb(void **state)
{
	static char value[3001];
	struct said s;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	begin_frame(HEADERS, END_STREAM | END_HEADERS, 1);
	four("GET", "/", "h");
	add_number(0x40);
	add_text("x", 1);
	add_text(value, 3000);
	for (int i = 0; i < 12000; i++)
		add_number(0x80 | 62);
	end_frame();
	s = hear();
	assert_null(strstr(seen.p, "GET"));
	assert_int_equal(s.rst, 1);
	assert_int_equal(s.rst_code, 11);
	assert_true(bufs.in_use < 200000);
}

/* A CONTINUATION that arrives byte by byte is not a flood. */
static void
byte_by_byte(void **state)
{
	(void)state;
	begin_frame(HEADERS, END_STREAM, 1);
	four("GET", "/slow", "h");
	end_frame();
	begin_frame(CONTINUATION, END_HEADERS, 1);
	field("a", "b");
	frame[2] = (uint8_t)(nframe - 9);
	for (size_t i = 0; i < nframe; i++) {
		push(frame + i, 1);
		turns(l, 1);
	}
	hear();
	assert_string_equal(seen.p, "GET /slow@h. ");
}

static void
continuation_flood(void **state)
{
	struct said s;

	(void)state;
	begin_frame(HEADERS, END_STREAM, 1);
	four("GET", "/", "h");
	end_frame();
	for (int i = 0; i < 50; i++) {
		begin_frame(CONTINUATION, 0, 1);
		end_frame();
	}
	s = hear();
	assert_int_equal(s.goaway, 1);
	assert_true(s.eof);
}

/* Every cheap frame costs; the connection ends with ENHANCE_YOUR_CALM. */
static void
floods(void **state)
{
	static const uint8_t kinds[] = {PING, SETTINGS, PRIORITY, UPDATE, DATA, 0x42, RST};

	for (size_t k = 0; k < sizeof(kinds); k++) {
		struct said s = {0}, t;
		unsigned i;

		begin_frame(HEADERS, END_HEADERS, 1);
		four("POST", "/", "h");
		end_frame();
		for (i = 0; i < 2000 && !s.goaway; i++) {
			uint32_t id = 1;

			if (kinds[k] == RST) { /* rapid reset */
				id = 3 + 2 * i;
				begin_frame(HEADERS, END_HEADERS, id);
				four("POST", "/", "h");
				end_frame();
			}
			begin_frame(kinds[k], 0,
			    kinds[k] == PING || kinds[k] == SETTINGS ? 0 : id);
			if (kinds[k] == PRIORITY)
				add("\0\0\0\0\1", 5);
			else if (kinds[k] == UPDATE)
				add("\0\0\0\1", 4);
			else if (kinds[k] == RST)
				add("\0\0\0\10", 4);
			else if (kinds[k] == PING)
				add("12345678", 8);
			end_frame();
			t = hear();
			s.goaway += t.goaway;
			s.goaway_code = t.goaway ? t.goaway_code : s.goaway_code;
		}
		if (s.goaway != 1 || s.goaway_code != 11 || i > 130)
			fail_msg("kind %u: %u frames, goaway %u code %u", kinds[k], i, s.goaway,
			    s.goaway_code);
		assert_non_null(strstr(seen.p, "glitches"));
		assert_int_equal(finish(state), 0);
		assert_int_equal(begin(state), 0);
	}
}

/* What gRPC clients say: an update of a few bytes when a stream begins, and to every answer one of
 * the connection and a PING. */
static void
chatty(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		struct said t;

		begin_frame(HEADERS, END_HEADERS, 1 + 2 * i);
		four("POST", "/", "h");
		end_frame();
		for (uint32_t id = 0; id < 2; id++) {
			begin_frame(UPDATE, 0, id * (1 + 2 * i));
			add("\0\0\0\5", 4);
			end_frame();
		}
		begin_frame(DATA, END_STREAM, 1 + 2 * i);
		add("x", 1);
		end_frame();
		begin_frame(PING, 0, 0);
		add("12345678", 8);
		end_frame();
		t = hear();
		assert_int_equal(t.goaway, 0);
		assert_int_equal(t.headers, 1);
	}
}

/* Deadlines of a client pass one by one: each call is cancelled when it is no longer new. */
static void
late_cancels(void **state)
{
	(void)state;
	auto_answer = false;
	for (unsigned i = 0; i < 300; i++) {
		uint32_t id = 1 + 2 * i;
		struct said t;

		get(id, "/", "h", NULL, NULL);
		turns(l, 2);
		LIST_ENTRY(d.h2.streams.next, struct h2_stream, link)->born -= 200 * MS_NS;
		begin_frame(RST, 0, id);
		add("\0\0\0\10", 4);
		end_frame();
		t = hear();
		assert_int_equal(t.goaway, 0);
	}
	assert_null(strstr(seen.p, "glitches"));
}

/* Answers that are read byte by byte earn nothing for resets. */
static void
farmed(void **state)
{
	static char mb[1 << 20];
	struct said s = {0}, t;
	unsigned i;

	(void)state;
	big = mb;
	big_n = sizeof(mb);
	begin_frame(UPDATE, 0, 0);
	add("\x7f\0\0\0", 4);
	end_frame();
	get(1, "/", "h", NULL, NULL); /* ends in the stream's shut window */
	for (i = 0; i < 300 && !s.goaway; i++) {
		uint32_t id = 3 + 2 * i;

		begin_frame(UPDATE, 0, 1);
		add("\0\0\0\1", 4);
		end_frame();
		begin_frame(HEADERS, END_HEADERS, id);
		four("POST", "/", "h");
		end_frame();
		begin_frame(RST, 0, id);
		add("\0\0\0\10", 4);
		end_frame();
		t = hear();
		s.goaway += t.goaway;
		s.goaway_code = t.goaway ? t.goaway_code : s.goaway_code;
	}
	assert_int_equal(s.goaway, 1);
	assert_int_equal(s.goaway_code, 11);
	assert_true(i < 130);
}

/* MadeYouReset: the client makes us send resets. */
static void
made_reset(void **state)
{
	struct said s = {0}, t;
	unsigned i;

	(void)state;
	for (i = 0; i < 1000 && !s.goaway; i++) {
		begin_frame(HEADERS, END_HEADERS, 1 + 2 * i);
		four("POST", "/", "h");
		end_frame();
		begin_frame(UPDATE, 0, 1 + 2 * i);
		add("\x7f\xff\xff\xff", 4);
		end_frame();
		t = hear();
		s.goaway += t.goaway;
		s.goaway_code = t.goaway ? t.goaway_code : s.goaway_code;
	}
	assert_int_equal(s.goaway, 1);
	assert_int_equal(s.goaway_code, 11);
	assert_true(i < 130);
}

/* A client that does not read its answers stops being read. */
static void
no_reading(void **state)
{
	static char mb[1 << 20];
	uint8_t ping[17] = {0, 0, 8, PING, 0, 0, 0, 0, 0};
	unsigned sent = 0;

	(void)state;
	h2l.glitches = 0;
	big = mb;
	big_n = sizeof(mb);
	begin_frame(UPDATE, 0, 0);
	add("\x7f\0\0\0", 4);
	end_frame();
	for (uint32_t id = 1; id < 100; id += 2)
		get(id, "/", "h", NULL, NULL);
	fcntl(client, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 200000; i++) {
		if (send(client, ping, sizeof(ping), MSG_NOSIGNAL) > 0)
			sent++;
		if (i % 100 == 0)
			turns(l, 1);
	}
	turns(l, 10);
	assert_true(sent < 150000);
	assert_true(bufs.in_use < 1 << 20);
	assert_false(closed);
}

static void
wrong_preface(void **state)
{
	struct said s;

	(void)state;
	begin_frame(0x7a, 0x7a, 0x7a7a7a7a);
	finish(state);
	setup(state);
	{
		int fd[2];

		pair(fd);
		client = fd[1];
		h2_down_start(&d, &env, fd[0], &down_events, NULL);
	}
	push("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27);
	s = hear();
	assert_int_equal(s.goaway, 1);
	assert_int_equal(s.goaway_code, 1);
	assert_true(s.eof);
}

/* A body that comes too slowly is answered with 408. */
static void
slow_body(void **state)
{
	(void)state;
	limits.body_grace_ms = 0;
	limits.body_rate = 1000000000;
	begin_frame(HEADERS, END_HEADERS, 1);
	four("POST", "/s", "h");
	end_frame();
	turns(l, 4);
	d.h2.timer.fire(&d.h2.timer);
	hear();
	assert_string_equal(seen.p, "POST /s@h refuse-REQUEST_TIMEOUT ");
	assert_int_equal(d.h2.nstreams, 0);
}

static void
idle_drain(void **state)
{
	struct said s;

	(void)state;
	assert_true(h2_down_idle(&d));
	h2_down_drain(&d);
	s = hear();
	assert_int_equal(s.goaway, 1);
	assert_false(s.eof);
	get(1, "/late", "h", NULL, NULL); /* it was on its way: taken */
	s = hear();
	assert_int_equal(s.headers, 1);
	d.h2.timer.fire(&d.h2.timer);
	s = hear();
	assert_int_equal(s.goaway, 1);
	assert_true(s.eof);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, finish)
int
main(void)
{
	const struct CMUnitTest tests[] = {T(request), T(cookies), T(malformed), T(nul),
	    T(body_and_trailers), T(too_large), T(bomb), T(byte_by_byte), T(continuation_flood),
	    T(floods), T(chatty), T(late_cancels), T(farmed),
	    T(made_reset), T(no_reading), T(wrong_preface), T(slow_body),
	    T(idle_drain)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
