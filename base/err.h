/*
 * err.h - the one list of errors: what each means to an HTTP client, a gRPC client, an HTTP/2 peer
 * and the access log. A new error is one line here. Pure; any process.
 *
 * ERR(name, http, grpc, h2, reason, text)
 *   http    status of the answer that headgate makes itself; 0 = never an answer
 *   grpc    grpc-status of the same (gRPC core's status codes)
 *   h2      RST_STREAM/GOAWAY code (RFC 9113 section 7)
 *   reason  the access log's `reason`, a closed list (README, "Access log")
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define HG_ERR_TABLE(ERR) \
	ERR(OK, 0, 0, 0, "ok", "ok") \
	/* the world is wrong: internal results, never sent as they are */ \
	ERR(AGAIN, 0, 14, 2, "internal", "would block") \
	ERR(IO, 500, 13, 2, "internal", "input/output error") \
	ERR(EOF, 0, 14, 0, "client_closed", "end of stream") \
	ERR(NOMEM, 503, 8, 11, "overload", "memory bound reached") \
	ERR(INVALID, 500, 13, 2, "internal", "invalid") \
	ERR(RANGE, 500, 13, 2, "internal", "out of range") \
	ERR(NOTFOUND, 500, 13, 2, "internal", "not found") \
	ERR(INTERNAL, 500, 13, 2, "internal", "internal error") \
	/* the client is wrong */ \
	ERR(BAD_REQUEST, 400, 13, 1, "bad_request", "malformed request") \
	ERR(BAD_VERSION, 505, 13, 1, "bad_request", "HTTP version not supported") \
	ERR(OLD_VERSION, 426, 13, 1, "bad_request", "HTTP/1.1 required") \
	ERR(BAD_METHOD, 501, 12, 1, "bad_request", "method not supported") \
	ERR(BAD_CODING, 501, 12, 1, "bad_request", "transfer coding not supported") \
	ERR(BAD_EXPECT, 417, 13, 1, "bad_request", "expectation not supported") \
	ERR(UPGRADE_REFUSED, 501, 12, 13, "bad_request", "upgrade not supported") \
	ERR(UPGRADE_DENIED, 403, 7, 13, "bad_request", "upgrade not allowed") \
	ERR(URI_TOO_LONG, 414, 8, 1, "header_too_large", "request target too long") \
	ERR(HEADER_TOO_LARGE, 431, 8, 11, "header_too_large", "header too large") \
	ERR(BODY_TOO_LARGE, 413, 8, 11, "body_too_large", "body too large") \
	ERR(REQUEST_TIMEOUT, 408, 4, 8, "request_timeout", "request not complete in time") \
	ERR(CLIENT_CLOSED, 0, 1, 8, "client_closed", "client closed the connection") \
	ERR(CLIENT_SLOW, 0, 1, 8, "client_closed", "client does not read") \
	ERR(IDLE, 408, 4, 8, "idle_timeout", "no byte either way for too long") \
	ERR(TOO_OLD, 0, 14, 0, "too_old", "longest time of a connection is over") \
	ERR(MISDIRECTED, 421, 12, 1, "no_listener_host", "host is not served by this connection") \
	/* routing */ \
	ERR(NO_LISTENER, 404, 12, 0, "no_listener_host", "no listener for this host") \
	ERR(NO_ROUTE, 404, 12, 0, "no_route", "no route matches") \
	ERR(NO_BACKEND, 500, 14, 0, "config_invalid_rule", "rule has no usable backend") \
	ERR(BAD_RULE, 500, 14, 0, "config_invalid_rule", "rule is not valid") \
	ERR(REGEX_LIMIT, 500, 13, 0, "config_invalid_rule", "pattern limit reached") \
	/* protection */ \
	ERR(RATE_LIMITED, 429, 14, 0, "rate_limited", "rate limit reached") \
	ERR(AUTH_MISSING, 401, 16, 0, "auth_missing", "credentials missing") \
	ERR(AUTH_INVALID, 401, 16, 0, "auth_invalid", "credentials not valid") \
	ERR(FORBIDDEN, 403, 7, 0, "auth_forbidden", "not allowed") \
	ERR(IP_DENIED, 403, 7, 0, "ip_denied", "address not allowed") \
	ERR(OVERLOAD, 503, 14, 11, "overload", "too busy") \
	ERR(DRAINING, 503, 14, 7, "draining", "going away") \
	/* the backend is wrong */ \
	ERR(NO_ENDPOINT, 503, 14, 0, "no_healthy_backend", "no ready endpoint") \
	ERR(QUEUE_FULL, 503, 14, 0, "queue_full", "upstream connections exhausted") \
	ERR(CIRCUIT_OPEN, 503, 14, 0, "circuit_open", "circuit open") \
	ERR(CONNECT_FAILED, 503, 14, 2, "connect_failed", "cannot connect to backend") \
	ERR(CONNECT_TIMEOUT, 503, 14, 2, "connect_timeout", "connecting to backend took too long") \
	ERR(BACKEND_TLS, 502, 14, 2, "backend_tls_failed", "TLS to backend failed") \
	ERR(BACKEND_RESET, 502, 14, 2, "backend_reset", "backend closed the connection") \
	ERR(BACKEND_BAD, 502, 14, 2, "backend_reset", "malformed answer from backend") \
	ERR(BACKEND_UPGRADE, 502, 14, 2, "backend_upgrade", "backend did not switch as asked") \
	ERR(BACKEND_TIMEOUT, 504, 4, 8, "backend_timeout", "backend took too long") \
	ERR(RETRY_EXHAUSTED, 502, 14, 2, "retry_exhausted", "all attempts failed")

enum hg_err {
#define ERR(name, http, grpc, h2, reason, text) HG_ERR_##name,
	HG_ERR_TABLE(ERR)
#undef ERR
	HG_ERR_COUNT
};
#define HG_OK HG_ERR_OK

const char *err_name(enum hg_err);   /* "NO_ROUTE" */
const char *err_text(enum hg_err);   /* for people */
const char *err_reason(enum hg_err); /* for the access log */
unsigned err_http(enum hg_err);
unsigned err_grpc(enum hg_err);
unsigned err_h2(enum hg_err);

#endif
