/*
 * persist.c - session tokens. A token is 48 hex digits: endpoint tag and time of issue, both under
 * a mask, and a SipHash over them and the rule with the key that all workers of an instance share.
 * Stateless, so there is nothing to keep over reloads or worker deaths, and the absolute timeout
 * travels in the token, where a client cannot stretch it. The mask hides which sessions share an
 * endpoint from nobody but casual readers; it is not encryption and need not be. A token that is
 * unknown, too old or of another rule is as good as none: a new one is issued.
 */
#include "worker/filters/persist.h"

#include "base/clock.h"
#include "base/parse.h"
#include "worker/filter.h"

struct token {
	uint64_t tag, scope;
	uint32_t issued, pad;
};

static uint64_t
mac_of(const struct hash_key *k, uint64_t scope, uint64_t tag, uint32_t issued)
{
	struct token t = {tag, scope, issued, 0};

	return hash_sip(k, &t, sizeof(t));
}

void
persist_token(const struct hash_key *k, uint64_t scope, uint64_t tag, uint32_t issued,
    char out[PERSIST_TOKEN + 1])
{
	uint64_t mac = mac_of(k, scope, tag, issued);

	(void)snprintf(out, PERSIST_TOKEN + 1, "%016llx%016llx%016llx", (unsigned long long)mac,
	    (unsigned long long)(tag ^ hash_mix(mac)),
	    (unsigned long long)(issued ^ hash_mix(mac + 1)));
}

bool
persist_parse(
    const struct hash_key *k, uint64_t scope, struct bytes text, uint64_t *tag, uint32_t *issued)
{
	uint64_t mac, t, i;

	if (text.n != PERSIST_TOKEN || !parse_hex(bytes_of(text.p, 16), UINT64_MAX, &mac) ||
	    !parse_hex(bytes_of(text.p + 16, 16), UINT64_MAX, &t) ||
	    !parse_hex(bytes_of(text.p + 32, 16), UINT64_MAX, &i))
		return false;
	t ^= hash_mix(mac);
	i ^= hash_mix(mac + 1);
	if (i > UINT32_MAX || mac_of(k, scope, t, (uint32_t)i) != mac)
		return false;
	*tag = t;
	*issued = (uint32_t)i;
	return true;
}

/* Next name=value of a Cookie value; *whole is the pair as it stands. */
static bool
cookie_next(struct bytes *rest, struct bytes *name, struct bytes *value, struct bytes *whole)
{
	while (rest->p) {
		struct bytes pair = bytes_trim(bytes_cut(rest, ';'));
		ptrdiff_t eq = bytes_chr(pair, '=', 0);

		if (pair.n == 0)
			continue;
		*whole = pair;
		*name = eq < 0 ? pair : bytes_trim(bytes_of(pair.p, (size_t)eq));
		*value = eq < 0 ? BYTES("") :
				  bytes_trim(bytes_of(pair.p + eq + 1, pair.n - (size_t)eq - 1));
		return true;
	}
	return false;
}

static void
try_token(struct persist_use *u, const struct hash_key *k, int64_t now, struct bytes value)
{
	uint64_t tag;
	uint32_t issued;

	if (u->tag || !persist_parse(k, u->scope, value, &tag, &issued))
		return;
	if (u->absolute_s && (now < issued || now - issued >= u->absolute_s))
		return;
	u->tag = tag;
	u->issued = issued;
}

void
persist_read(struct persist_use *u, struct arena *a, const struct image *im,
    const struct im_persist *p, struct bytes rule_name, bool tls, const struct hash_key *k,
    int64_t now, const struct msg *req)
{
	struct bytes name = image_text(im, p->name), path = image_text(im, p->path);

	*u = (struct persist_use){.on = true,
	    .cookie = p->type != IM_PERSIST_HEADER,
	    .permanent = p->permanent,
	    .secure = tls,
	    .absolute_s = p->absolute_s};
	u->scope = hash_mix(hash_more(HASH_SEED, rule_name.p, rule_name.n));
	u->path = path.n ? arena_bytes(a, path) : BYTES("/");
	u->name = name.n ? arena_bytes(a, name) :
	    bytes_str(arena_printf(a, "headgate-%08x", (unsigned)(u->scope & UINT32_MAX)));
	if (u->name.p == NULL || u->path.p == NULL) {
		u->on = false;
		return;
	}
	if (!u->cookie) {
		for (const struct field *f = fields_find(&req->fields, u->name); f;
		     f = fields_next(&req->fields, f))
			try_token(u, k, now, f->value);
		return;
	}
	for (const struct field *f = fields_get(&req->fields, FIELD_COOKIE); f;
	     f = fields_next(&req->fields, f)) {
		struct bytes rest = f->value, n, v, whole;

		while (cookie_next(&rest, &n, &v, &whole))
			if (bytes_eq(n, u->name))
				try_token(u, k, now, v);
	}
}

void
persist_strip(const struct persist_use *u, struct arena *a, struct msg *req)
{
	struct field *f;

	if (!u->on)
		return;
	if (!u->cookie) {
		fields_remove(&req->fields, u->name);
		return;
	}
	for (f = fields_get(&req->fields, FIELD_COOKIE); f; f = fields_next(&req->fields, f)) {
		struct bytes rest = f->value, n, v, whole;
		char *out = NULL;
		size_t len = 0;
		bool found = false;

		while (cookie_next(&rest, &n, &v, &whole))
			found |= bytes_eq(n, u->name);
		if (!found)
			continue;
		/* Joining with "; " may be a byte a pair longer than what stood there. */
		out = arena_alloc(a, f->value.n * 2 + 2);
		rest = f->value;
		while (out && cookie_next(&rest, &n, &v, &whole)) {
			if (bytes_eq(n, u->name))
				continue;
			if (len) {
				memcpy(out + len, "; ", 2);
				len += 2;
			}
			memcpy(out + len, whole.p, whole.n);
			len += whole.n;
		}
		if (len == 0)
			f->flags |= FIELD_GONE;
		else
			f->value = bytes_of(out, len);
	}
}

void
persist_write(const struct persist_use *u, struct arena *a, const struct hash_key *k, int64_t now,
    uint64_t tag, struct msg *resp)
{
	char token[PERSIST_TOKEN + 1], age[32] = "";
	char *text;

	if (!u->on || tag == u->tag || !filter_room(a, &resp->fields, 1))
		return;
	persist_token(k, u->scope, tag, (uint32_t)now, token);
	if (!u->cookie) {
		text = arena_dup(a, bytes_of(token, PERSIST_TOKEN));
		if (text)
			(void)fields_set(&resp->fields, u->name, bytes_of(text, PERSIST_TOKEN));
		return;
	}
	if (u->permanent && u->absolute_s)
		(void)snprintf(age, sizeof(age), "; Max-Age=%u", u->absolute_s);
	text = arena_printf(a, "%.*s=%s; Path=%.*s%s%s; HttpOnly; SameSite=Strict",
	    BYTES_ARG(u->name), token, BYTES_ARG(u->path), age, u->secure ? "; Secure" : "");
	if (text)
		(void)fields_add(
		    &resp->fields, field_name(FIELD_SET_COOKIE), bytes_str(text), FIELD_SET_COOKIE);
}
