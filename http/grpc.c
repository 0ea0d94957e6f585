/*
 * grpc.c - the texts of gRPC. A timeout is written in the finest unit whose eight digits hold it,
 * and cut downwards: the backend may be told a little less than is left, never more. The two
 * translations of statuses are not inverse to each other: one is what gRPC libraries make of an
 * HTTP error, the other what counters of HTTP errors make of a status.
 */
#include "http/grpc.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/parse.h"

/* ---- timeouts */

static const struct unit {
	char letter;
	uint64_t ns;
} units[] = {{'n', 1}, {'u', 1000}, {'m', 1000000}, {'S', SEC_NS}, {'M', 60 * SEC_NS},
    {'H', 3600 * SEC_NS}};

bool
grpc_timeout_parse(struct bytes v, uint64_t *ns)
{
	uint64_t n = 0;

	if (v.n < 2 || v.n > 9)
		return false;
	for (size_t i = 0; i + 1 < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	for (unsigned i = 0; i < HG_ARRAY_LEN(units); i++)
		if (units[i].letter == v.p[v.n - 1])
			return !__builtin_mul_overflow(n, units[i].ns, ns);
	return false;
}

struct bytes
grpc_timeout_write(uint64_t ns, char out[GRPC_TIMEOUT_TEXT])
{
	const struct unit *u = units;
	size_t at = GRPC_TIMEOUT_TEXT;
	uint64_t n;

	while (ns / u->ns > 99999999 && u + 1 < units + HG_ARRAY_LEN(units))
		u++;
	n = HG_MAX(HG_MIN(ns / u->ns, (uint64_t)99999999), (uint64_t)1);
	out[--at] = u->letter;
	for (; n; n /= 10)
		out[--at] = (char)('0' + n % 10);
	return bytes_of(out + at, GRPC_TIMEOUT_TEXT - at);
}

/* ---- statuses */

static const uint16_t http_statuses[17] = {
    200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401};

unsigned
grpc_to_http(unsigned grpc)
{
	return grpc < HG_ARRAY_LEN(http_statuses) ? http_statuses[grpc] : 500;
}

unsigned
grpc_of_http(unsigned status)
{
	static const struct {
		uint16_t http, grpc;
	} table[] = {{400, 13}, {401, 16}, {403, 7}, {404, 12}, {429, 14}, {502, 14}, {503, 14},
	    {504, 14}};

	for (unsigned i = 0; i < HG_ARRAY_LEN(table); i++)
		if (table[i].http == status)
			return table[i].grpc;
	return status == 200 ? 0 : 2;
}

size_t
grpc_message(struct bytes text, char *out, size_t cap)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '%';

		if (cap - n < (plain ? 1 : 3))
			break;
		if (plain) {
			out[n++] = (char)c;
		} else {
			out[n++] = '%';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		}
	}
	return n;
}

int
grpc_status_of(const struct fields *f)
{
	const struct field *s = f ? fields_get(f, FIELD_GRPC_STATUS) : NULL;
	uint64_t n;

	return s && parse_u64(s->value, UINT16_MAX, &n) ? (int)n : -1;
}
