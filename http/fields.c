/*
 * fields.c - lists, hop-by-hop fields and trailers. A Connection field may name any field, and a
 * client that names X-Forwarded-For or Authorization makes a naive gateway drop what the backend
 * trusts: such names are not obeyed. Trailers are decided by a list of what they must not be, since
 * trailers of applications have any name.
 */
#include "http/fields.h"

#include "base/check.h"

#define BIT(id) (1ull << FIELD_##id)

static const uint64_t hop = BIT(CONNECTION) | BIT(KEEP_ALIVE) | BIT(PROXY_CONNECTION) |
    BIT(UPGRADE) | BIT(TE) | BIT(HTTP2_SETTINGS) | BIT(PROXY_AUTHENTICATE) |
    BIT(PROXY_AUTHORIZATION);

/* Connection cannot take these away. */
static const uint64_t firm = BIT(HOST) | BIT(CONTENT_LENGTH) | BIT(TRANSFER_ENCODING) |
    BIT(TRAILER) | BIT(EXPECT) | BIT(VIA) | BIT(FORWARDED) | BIT(X_FORWARDED_FOR) |
    BIT(X_FORWARDED_PROTO) | BIT(X_FORWARDED_HOST) | BIT(X_FORWARDED_PORT) | BIT(X_REAL_IP) |
    BIT(X_REQUEST_ID) | BIT(ORIGIN) | BIT(COOKIE) | BIT(SET_COOKIE) | BIT(AUTHORIZATION) |
    BIT(WWW_AUTHENTICATE) | BIT(CONTENT_TYPE) | BIT(CONTENT_ENCODING) | BIT(CACHE_CONTROL) |
    BIT(LOCATION) | BIT(DATE) | BIT(VARY);

static const uint64_t no_trailer = BIT(HOST) | BIT(CONNECTION) | BIT(CONTENT_LENGTH) |
    BIT(TRANSFER_ENCODING) | BIT(TE) | BIT(TRAILER) | BIT(UPGRADE) | BIT(KEEP_ALIVE) |
    BIT(PROXY_CONNECTION) | BIT(EXPECT) | BIT(VIA) | BIT(DATE) | BIT(FORWARDED) |
    BIT(X_FORWARDED_FOR) | BIT(X_FORWARDED_PROTO) | BIT(X_FORWARDED_HOST) | BIT(X_FORWARDED_PORT) |
    BIT(X_REAL_IP) | BIT(X_REQUEST_ID) | BIT(ORIGIN) | BIT(ACRM) | BIT(ACRH) | BIT(ACAO) |
    BIT(ACAC) | BIT(ACAM) | BIT(ACAH) | BIT(ACEH) | BIT(ACMA) | BIT(VARY) | BIT(COOKIE) |
    BIT(SET_COOKIE) | BIT(CONTENT_TYPE) | BIT(LOCATION) | BIT(AUTHORIZATION) | BIT(RETRY_AFTER) |
    BIT(CONTENT_ENCODING) | BIT(CACHE_CONTROL) | BIT(GRPC_TIMEOUT) | BIT(TRACEPARENT) |
    BIT(HTTP2_SETTINGS) | BIT(PROXY_AUTHENTICATE) | BIT(PROXY_AUTHORIZATION) | BIT(EARLY_DATA) |
    BIT(WWW_AUTHENTICATE);

bool
fields_list(struct bytes *rest, struct bytes *item)
{
	while (rest->p) {
		struct bytes v = *rest;
		bool quoted = false;
		size_t i = 0;

		for (; i < v.n && (quoted || v.p[i] != ','); i++) {
			if (v.p[i] == '"')
				quoted = !quoted;
			else if (quoted && v.p[i] == '\\' && i + 1 < v.n)
				i++;
		}
		*rest = i < v.n ? bytes_of(v.p + i + 1, v.n - i - 1) : BYTES_NONE;
		*item = bytes_trim(bytes_of(v.p, i));
		if (item->n)
			return true;
	}
	return false;
}

bool
fields_has_token(const struct fields *t, enum field_id id, struct bytes token)
{
	for (const struct field *f = fields_get(t, id); f; f = fields_next(t, f)) {
		struct bytes rest = f->value, item;

		while (fields_list(&rest, &item))
			if (bytes_eqi(bytes_trim(bytes_cut(&item, ';')), token))
				return true;
	}
	return false;
}

static void
mark(struct fields *t, struct bytes name)
{
	for (struct field *f = fields_find(t, name); f; f = fields_next(t, f))
		f->flags |= FIELD_HOP;
}

void
fields_hop_by_hop(struct fields *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (hop >> t->v[i].id & 1)
			t->v[i].flags |= FIELD_HOP;
	for (const struct field *f = fields_get(t, FIELD_CONNECTION); f; f = fields_next(t, f)) {
		struct bytes rest = f->value, item;

		while (fields_list(&rest, &item))
			if (!(firm >> field_id(item) & 1))
				mark(t, item);
	}
}

bool
fields_te_trailers(const struct fields *t)
{
	return fields_has_token(t, FIELD_TE, BYTES("trailers"));
}

bool
fields_trailer_ok(enum field_id id, struct bytes name)
{
	if (id != FIELD_OTHER)
		return !(no_trailer >> id & 1);
	return !(name.n > 4 && bytes_eqi(bytes_of(name.p, 4), BYTES("sec-")));
}
