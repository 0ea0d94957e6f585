/*
 * proto.c - which messages there are, how long each may be, and what must hold inside before it is
 * read.
 *
 * Both tables come from PROTO_TABLE and one list of the payloads whose tail may be cut: a message
 * is a plain struct, but a path of 20 bytes need not travel as 4,096. Rejected: a marshalled
 * format; both ends are the same build, executed from the same descriptor.
 */
#include "shm/proto.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"
#include "base/imsg.h"

struct proto_row {
	const char *name;
	uint32_t size; /* of the whole payload */
};

/* GNU C: sizeof(void) is 1, and no payload is one byte long. */
static const struct proto_row rows[PROTO_COUNT] = {
#define P(name, from, to, type) \
	[PROTO_##name] = {#name, sizeof(type) == 1 ? 0 : (uint32_t)sizeof(type)},
    PROTO_TABLE(P)
#undef P
};

#define P(name, from, to, type) \
	_Static_assert(sizeof(type) <= IMSG_MAX, #name " does not fit a message");
PROTO_TABLE(P)
#undef P

/* Payloads whose tail may be cut: at `first` begins an array of `unit` bytes an element. `count`:
 * offset of the number of elements in use, or NO_COUNT for a text that ends at its NUL. */
#define NO_COUNT UINT32_MAX
struct proto_tail {
	uint32_t type, first, unit, count;
};
#define TEXT(name, t, member) {PROTO_##name, offsetof(struct t, member), 1, NO_COUNT}
#define LIST(name, t, member, n) \
	{ \
		PROTO_##name, offsetof(struct t, member), sizeof(((struct t *)NULL)->member[0]), \
		    offsetof(struct t, n) \
	}
static const struct proto_tail tails[] = {
    TEXT(REFUSED, proto_text, text),
    TEXT(FAILED, proto_text, text),
    TEXT(STORED, proto_text, text),
    TEXT(WALK, proto_path, path),
    TEXT(OPEN, proto_path, path),
    TEXT(FILE_ROOT, proto_path, path),
    TEXT(STORE, proto_path, path),
    TEXT(FILE, proto_file, path),
    LIST(BIND, proto_bind, v, n),
    LIST(BOUND, proto_bound, err, n),
    LIST(COMPILE, proto_compile, roots, nroots),
};

/* Texts of fixed size inside payloads, that must have their NUL in there. */
struct proto_inner {
	uint32_t type, at, size, times;
};
#define INNER(name, t, member) \
	{ \
		PROTO_##name, offsetof(struct t, member), sizeof(((struct t *)NULL)->member), 1 \
	}
static const struct proto_inner inners[] = {
    INNER(FILE, proto_file, ns),
    INNER(COMPILE, proto_compile, conf),
    INNER(RESULT, proto_result, summary),
    INNER(RESULT, proto_result, settings.user),
    INNER(RESULT, proto_result, settings.group),
    INNER(RESULT, proto_result, settings.access_log),
    INNER(RESULT, proto_result, settings.admin),
    {PROTO_COMPILE, offsetof(struct proto_compile, roots), 1024, PROTO_ROOTS},
};

static const struct proto_tail *
tail_of(uint32_t type)
{
	for (size_t i = 0; i < HG_ARRAY_LEN(tails); i++)
		if (tails[i].type == type)
			return &tails[i];
	return NULL;
}

static uint32_t
count_at(const void *data, uint32_t at)
{
	uint32_t n;

	memcpy(&n, (const char *)data + at, sizeof(n));
	return n;
}

const char *
proto_name(uint32_t type)
{
	return type > PROTO_NONE && type < PROTO_COUNT ? rows[type].name : "?";
}

uint32_t
proto_len(uint32_t type, const void *payload)
{
	const struct proto_tail *t = tail_of(type);
	uint32_t n;

	HG_CHECK(type > PROTO_NONE && type < PROTO_COUNT);
	if (!t)
		return rows[type].size;
	if (t->count == NO_COUNT)
		n = (uint32_t)strnlen(
			(const char *)payload + t->first, rows[type].size - t->first - 1) +
		    1;
	else
		n = count_at(payload, t->count);
	HG_CHECK(n <= (rows[type].size - t->first) / t->unit);
	return t->first + n * t->unit;
}

bool
proto_ok(uint32_t type, uint32_t len)
{
	const struct proto_tail *t;

	if (type <= PROTO_NONE || type >= PROTO_COUNT || len > rows[type].size)
		return false;
	if (len == rows[type].size)
		return true;
	t = tail_of(type);
	if (!t || len < t->first || (len - t->first) % t->unit != 0)
		return false;
	return t->count != NO_COUNT || len > t->first;
}

bool
proto_take(uint32_t type, void *data, uint32_t len)
{
	const struct proto_tail *t = tail_of(type);
	char *p = data;

	if (!proto_ok(type, len))
		return false;
	memset(p + len, 0, rows[type].size - len);
	if (t && t->count == NO_COUNT && !memchr(p + t->first, '\0', len - t->first))
		return false;
	if (t && t->count != NO_COUNT && count_at(p, t->count) > (len - t->first) / t->unit)
		return false;
	for (size_t i = 0; i < HG_ARRAY_LEN(inners); i++)
		for (uint32_t k = 0; inners[i].type == type && k < inners[i].times; k++)
			if (!memchr(p + inners[i].at + k * inners[i].size, '\0', inners[i].size))
				return false;
	return true;
}
