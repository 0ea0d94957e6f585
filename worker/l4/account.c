/*
 * account.c - what is left of a relayed connection: counters and one line. A rule's and a
 * listener's `requests` count connections here, class 2xx those that were served, 5xx those that
 * reached no backend, 4xx those that a limit or their own hello kept out.
 */
#include "worker/accesslog.h"
#include "worker/l4/account.h"

static void
count(struct slot_rule *r, const struct l4_account *a)
{
	unsigned http = err_http(a->err);

	r->requests++;
	r->by_class[a->served ? 1 : http >= 500 || http == 0 ? 4 : 3]++;
}

static void
move(struct slot_rule *r, uint64_t in, uint64_t out)
{
	r->bytes_in += in;
	r->bytes_out += out;
}

void
l4_tell(struct worker *w, const struct way *y, struct l4_told *t, uint64_t in, uint64_t out)
{
	uint64_t more_in = in - t->in, more_out = out - t->out;

	if (more_in == 0 && more_out == 0)
		return;
	*t = (struct l4_told){in, out};
	METRIC(w, l4_bytes_in, more_in);
	METRIC(w, l4_bytes_out, more_out);
	if (y->label == NULL)
		return;
	move(&w->slot->listeners[y->listener], more_in, more_out);
	if (y->label->rule != IM_NONE)
		move(&w->slot->rules[y->rule], more_in, more_out);
}

void
l4_account(struct worker *w, const struct way *y, struct l4_account *a)
{
	static const char *const sides[] = {"gateway", "client", "backend"};
	const struct label *l = y->label;
	char client[46], endpoint[56];
	struct access_l4 line;

	if (l) {
		count(&w->slot->listeners[y->listener], a);
		if (l->rule != IM_NONE)
			count(&w->slot->rules[y->rule], a);
	}
	if (w->log_format == IM_LOG_OFF)
		return;
	line = (struct access_l4){.real_ns = a->begun_real,
	    .second = worker_second(w, a->begun_real),
	    .conn = a->conn,
	    .protocol = a->protocol,
	    .client_ip = bytes_of(client, addr_print_ip(a->client, client)),
	    .client_port = a->client->port,
	    .sni = a->sni,
	    .tls_version = a->tls_version,
	    .tls_cipher = a->tls_cipher,
	    .in = a->in,
	    .out = a->out,
	    .packets_in = a->packets_in,
	    .packets_out = a->packets_out,
	    .t_total = loop_now(w->loop) - a->begun,
	    .t_connect = a->t_connect,
	    .attempts = y->attempts,
	    .first = sides[a->first],
	    .reason = err_reason(a->err),
	    .error = a->err == HG_OK ? NULL : err_text(a->err),
	    .detail = a->detail};
	if (l) {
		line.gen = l->gen;
		line.gateway_ns = l->gateway_ns;
		line.gateway = l->gateway;
		line.listener = l->listener_name;
		line.route_ns = l->route_ns;
		line.route = l->route;
		line.has_route = l->rule != IM_NONE;
		line.rule = l->rule_index;
		line.backend = l->backend;
	}
	if (y->attempts)
		line.endpoint = y->is_unix ? BYTES("unix") :
					     bytes_of(endpoint, addr_print(&y->to, endpoint));
	if (!accesslog_l4(&line, w->log_format, &w->slot->ring))
		METRIC(w, log_dropped, 1);
}
