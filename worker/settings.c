/*
 * settings.c - limits and texts of a generation, taken over. Values are clamped to what their
 * fields hold: they come from a checked image, but a number out of range must never become a wrong
 * one.
 */
#include "worker/settings.h"

static uint32_t
u32(int64_t v)
{
	return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void
fill_limits(struct h1_limits *l, const struct im_settings *s)
{
	*l = (struct h1_limits){
	    .request_line = u32(s->request_line_bytes),
	    .field = u32(s->field_bytes),
	    .header = u32(s->header_bytes),
	    .fields = u32(s->fields),
	    .trailer = u32(s->trailer_bytes),
	    .trailer_fields = u32(s->trailer_fields),
	    .leading_crlf = u32(s->leading_crlf),
	    .chunk_line = u32(s->chunk_line_bytes),
	    .chunk_overhead = u32(s->chunk_overhead_bytes),
	    .informational = u32(s->informational),
	    .requests_per_connection = u32(s->requests_per_connection),
	    .header_ms = (uint64_t)s->header_timeout_ms,
	    .idle_ms = (uint64_t)s->idle_timeout_ms,
	    .write_ms = (uint64_t)s->write_timeout_ms,
	    .body_grace_ms = (uint64_t)s->body_grace_ms,
	    .body_rate = (uint64_t)s->body_rate_bytes,
	};
}

static void
fill_h2(struct h2_limits *l, const struct im_settings *s)
{
	*l = (struct h2_limits){
	    .streams = u32(s->h2_streams),
	    .window = u32(s->h2_window_bytes),
	    .conn_window = u32(s->h2_connection_window_bytes),
	    .table = u32(s->h2_table_bytes),
	    .continuations = u32(s->h2_continuations),
	    .glitches = u32(s->h2_glitches),
	    .glitch_rate = u32(s->h2_glitch_rate),
	};
}

static struct bytes
take_text(char *to, size_t cap, struct bytes b)
{
	size_t n = HG_MIN(b.n, cap);

	if (n)
		memcpy(to, b.p, n);
	return bytes_of(to, n);
}

uint32_t
settings_conn_cap(uint64_t nofile, int64_t spare, int64_t limit)
{
	uint64_t s = spare > 0 ? (uint64_t)spare : 0, left = nofile > s + 32 ? nofile - s - 32 : 1;
	uint64_t cap = HG_MAX(left / 4 * 3, 1ull);

	/* A quarter stays for connections to backends, which clients share. */
	return (uint32_t)HG_MIN(limit > 0 ? HG_MIN((uint64_t)limit, cap) : cap, 4194304ull);
}

void
settings_adopt(struct worker *w, const struct gen *gen)
{
	const struct im_settings *s = gen->image.settings;
	struct bytes via = image_text(&gen->image, s->via);
	int n;

	fill_limits(&w->limits, s);
	fill_h2(&w->h2_limits, s);
	w->connect_ms = s->connect_timeout_ms;
	w->response_ms = s->response_timeout_ms;
	w->handshake_ms = (uint64_t)s->tls_handshake_timeout_ms;
	w->body_bytes = s->body_bytes;
	w->tunnel_idle_ms = (uint64_t)s->tunnel_idle_timeout_ms;
	w->mirror_bytes = (uint64_t)s->mirror_buffer_bytes;
	w->replay_bytes = (uint64_t)s->replay_buffer_bytes;
	w->ip_limit = (uint64_t)s->connections_per_ip;
	w->conn_cap = HG_MIN(
	    settings_conn_cap(w->nofile, s->spare_descriptors, s->connections), w->conns.cap);
	w->bufs.limit = (uint64_t)s->worker_buffer_bytes;
	w->upool.idle_ms = (uint64_t)s->upstream_idle_timeout_ms;
	w->upool.idle_per_endpoint = u32(s->upstream_idle_per_endpoint);
	w->upool.conns_per_endpoint = u32(s->upstream_connections_per_endpoint);
	w->log_format = s->access_log;
	w->server =
	    take_text(w->server_text, sizeof(w->server_text), image_text(&gen->image, s->server));
	if (via.n == 0)
		via = BYTES("headgate");
	for (int i = 0; i < 2; i++) { /* RFC 9110 7.6.3: the version in which it came */
		n = snprintf(w->via_text[i], sizeof(w->via_text[i]), "Via: %s %.*s\r\n",
		    i ? "2.0" : "1.1", (int)HG_MIN(via.n, (size_t)100), via.p);
		w->via_line[i] = bytes_of(w->via_text[i], (size_t)n);
		w->via[i] = bytes_of(w->via_text[i] + 5, (size_t)n - 7);
	}
}
