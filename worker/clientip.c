/*
 * clientip.c - X-Forwarded-For is read from the right, because only what trusted hops appended is
 * worth anything; whatever a client wrote itself stands left of that. An entry that is no address
 * ends the search: what lies beyond it was not written by whom we trust.
 */
#include "worker/clientip.h"

#include "http/fields.h"

/* The last entries, in order. Returns how many. */
static unsigned
entries(const struct fields *f, struct bytes out[CLIENTIP_ENTRIES])
{
	const struct field *line = fields_get(f, FIELD_X_FORWARDED_FOR);
	unsigned n = 0;

	for (; line; line = fields_next(f, line)) {
		struct bytes rest = line->value, item;

		while (fields_list(&rest, &item)) {
			if (n == CLIENTIP_ENTRIES) {
				memmove(out, out + 1, (CLIENTIP_ENTRIES - 1) * sizeof(*out));
				n--;
			}
			out[n++] = item;
		}
	}
	return n;
}

static bool
parse(struct bytes text, struct addr *out)
{
	struct addr a = {0};

	if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		text = bytes_of(text.p + 1, text.n - 2);
	if (!addr_parse_ip(text, &a) && !addr_parse(text, &a))
		return false;
	a.port = 0;
	*out = a;
	return true;
}

static bool
trusted(const struct image *im, const struct im_client *c, const struct addr *a)
{
	for (uint32_t i = 0; i < c->cidrs.n; i++)
		if (cidr_has(&im->cidrs[c->cidrs.first + i], a))
			return true;
	return false;
}

static void
by_cidrs(const struct image *im, const struct im_client *c, const struct fields *f,
    const struct addr *peer, struct addr *out)
{
	struct bytes v[CLIENTIP_ENTRIES];
	unsigned n;

	if (!trusted(im, c, peer))
		return;
	for (n = entries(f, v); n-- > 0;)
		if (!parse(v[n], out) || !trusted(im, c, out))
			return;
}

bool
clientip_detect(const struct image *im, const struct im_client *c, const struct fields *f,
    const struct addr *peer, struct addr *out)
{
	struct bytes v[CLIENTIP_ENTRIES];
	const struct field *line;
	unsigned n;

	*out = *peer;
	switch ((enum im_ipdetect)c->ipdetect) {
	case IM_IP_PEER:
		return true;
	case IM_IP_XFF_HOPS:
		n = entries(f, v);
		if (c->hops && c->hops <= n)
			(void)parse(v[n - c->hops], out);
		return true;
	case IM_IP_XFF_CIDRS:
		by_cidrs(im, c, f, peer, out);
		return true;
	case IM_IP_HEADER:
		line = fields_find(f, image_text(im, c->ip_header));
		return (line && parse(line->value, out)) || !c->ip_fail_closed;
	}
	return true;
}
