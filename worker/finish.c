/*
 * finish.c - what is left of an exchange: counters and one line. A request is counted and logged
 * exactly once, when its answer is complete or its connection has visibly ended; a connection that
 * ends before a whole head came was no request.
 */
#include "worker/accesslog.h"
#include "worker/attempt.h"
#include "worker/exchange.h"
#include "worker/protect/protect.h"
#include "worker/tunnel.h"

static void
count(struct slot_rule *r, const struct exchange *x, unsigned status)
{
	r->requests++;
	if (status >= 100 && status < 600)
		r->by_class[status / 100 - 1]++;
	r->bytes_in += x->req_bytes;
	r->bytes_out += x->resp_bytes;
}

static void
counters(struct exchange *x, unsigned status)
{
	static const enum metric by_class[6] = {METRIC_COUNT, METRIC_responses_1xx,
	    METRIC_responses_2xx, METRIC_responses_3xx, METRIC_responses_4xx, METRIC_responses_5xx};
	struct slot_segment *s = x->w->slot;

	s->metrics[METRIC_requests]++;
	if (status >= 100 && status < 600)
		s->metrics[by_class[status / 100]]++;
	if (x->grpc) {
		s->metrics[METRIC_grpc_calls]++;
		s->metrics[METRIC_grpc_failed] += x->grpc_said != 1;
	}
	s->metrics[METRIC_bytes_in] += x->req_bytes;
	s->metrics[METRIC_bytes_out] += x->resp_bytes;
	if (x->hit.listener != IM_NONE)
		count(&s->listeners[x->listener_id], x, status);
	if (x->hit.rule != IM_NONE)
		count(&s->rules[x->rule_id], x, status);
}

static struct bytes
header(const struct exchange *x, enum field_id id)
{
	const struct field *f = x->head_seen ? fields_get(&x->head.fields, id) : NULL;

	return f ? f->value : BYTES_NONE;
}

static void
log_line(struct exchange *x, unsigned status)
{
	struct worker *w = x->w;
	struct access a;

	a = (struct access){
	    .real_ns = x->begun_real,
	    .second = worker_second(w, x->begun_real),
	    .gen = x->names.gen,
	    .conn = x->conn_id,
	    .gateway_ns = x->names.gateway_ns,
	    .gateway = x->names.gateway,
	    .listener = x->names.listener,
	    .route_ns = x->names.route_ns,
	    .route = x->names.route,
	    .rule = x->names.rule,
	    .has_route = x->hit.rule != IM_NONE,
	    .tls_version = x->tls_version,
	    .tls_cipher = x->tls_cipher,
	    .tls_resumed = x->tls_resumed,
	    .sni = x->sni,
	    .request_id = x->fenv.request_id,
	    .client_ip = exchange_ip(x),
	    .client_port = x->peer.port,
	    .minor = x->head.minor,
	    .method = x->head.method,
	    .scheme = x->tls ? BYTES("https") : BYTES("http"),
	    .host = x->head.host.len ? bytes_of(x->head.host.name, x->head.host.len) :
				       x->head.authority,
	    .path = x->path.p ? x->path : x->head.path,
	    .query = x->head.query,
	    .target = x->head.target,
	    .user_agent = header(x, FIELD_USER_AGENT),
	    .referer = header(x, FIELD_REFERER),
	    .req_bytes = x->req_bytes,
	    .resp_bytes = x->resp_bytes,
	    .status = (uint16_t)status,
	    .upstream_status = x->up_status,
	    .grpc = x->grpc_said,
	    .t_total = loop_now(w->loop) - x->begun,
	    .t_connect = x->t_connect,
	    .t_first_byte = x->t_first,
	    .t_upstream = x->t_upstream,
	    .backend = x->names.cluster,
	    .attempts = x->picked && x->target.proto ? x->made + 1 : 0,
	    .reused = x->reused,
	    .reason = x->reason ? x->reason : err_reason(x->err),
	    .error = x->err == HG_OK ? NULL : err_text(x->err),
	    .closed_by = tunnel_by(x),
	    .detail = x->err == HG_OK ? NULL : x->detail,
	};
	if (x->target.proto) {
		if (x->target.unix_path.p)
			a.endpoint = BYTES("unix");
		else
			a.endpoint =
			    bytes_of(x->endpoint, addr_print(&x->target.addr, x->endpoint));
	}
	if (!accesslog_write(&a, w->log_format, &w->slot->ring))
		METRIC(w, log_dropped, 1);
}

void
finish_account(struct exchange *x)
{
	unsigned status = x->head_sent ? x->answer.status : 0;

	if (!x->head_seen && status == 0)
		return;
	if (!x->resp_ended && x->err == HG_OK)
		x->err = HG_ERR_CLIENT_CLOSED;
	counters(x, status);
	if (x->policy != IM_NONE)
		protect_over(x);
	if (x->w->log_format != IM_LOG_OFF)
		log_line(x, status);
}
